/** Servers as child processes: started, watched and ended with all that they fork. */
export { Fleet, type FleetServer, type FleetSpec, type ServerEnd } from "./fleet.ts";
export { listGpus, type Gpu, type GpuList } from "./gpus.ts";
export { findProgram, searchFolders } from "./programs.ts";
export {
  healthStatus,
  launchServer,
  type LaunchedServer,
  type LaunchIo,
  type ServerSpec,
  spawnSupervised,
} from "./server.ts";
export { supervise } from "./supervise.ts";
export { freePort } from "./ports.ts";
export {
  programOf,
  readyLine,
  recognise,
  templateNames,
  templateOf,
  templates,
  type Template,
} from "./templates.ts";
