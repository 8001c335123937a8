/** Programs over native backends; what src/model and src/engine build on. */
export {
  Backend,
  BackendError,
  askedMax,
  pageTokens,
  topMax,
  type BackendName,
} from "./backend.ts";
export {
  Device,
  isas,
  usableIsas,
  type DeviceDescription,
  type DeviceOptions,
  type Dtype,
  type Isa,
  type Shape,
  type Tensor,
  type WeightFile,
} from "./device.ts";
export { ProgramBuilder, type Cache, type Value } from "./builder.ts";
export { Program } from "./program.ts";
export {
  StepResults,
  StepWriter,
  type DrawParams,
  type ProgramLimits,
  type RowAdjustment,
} from "./step.ts";
