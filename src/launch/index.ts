/** Servers as child processes: started, watched and ended with all that they fork. */
export {
  healthStatus,
  launchServer,
  type LaunchedServer,
  type LaunchIo,
  type ServerSpec,
} from "./server.ts";
export { supervise } from "./supervise.ts";
