/** The GPUs of this machine, as nvidia-smi or else the driver's library tells. */
import { spawnSync } from "node:child_process";
import { runtime } from "../runtime/index.ts";
import { UserError } from "../user-error.ts";

export interface Gpu {
  readonly index: number;
  readonly name: string;
  readonly memoryBytes: number;
  /** "9.0"; null where it was not told. */
  readonly computeCapability: string | null;
}
export interface GpuList {
  readonly source: "nvidia-smi" | "libcuda.so.1";
  /** "580.95.05" by nvidia-smi, "CUDA 13.0" by the library. */
  readonly driver: string;
  readonly gpus: readonly Gpu[];
}

/** null where there is no driver. */
export function listGpus(): GpuList | null {
  return gpusBySmi() ?? gpusByDriver();
}

const smiTimeoutMs = 20_000;

function gpusBySmi(): GpuList | null {
  const fields = "index,name,memory.total,compute_cap,driver_version";
  const { status, stdout } = spawnSync(
    "nvidia-smi",
    [`--query-gpu=${fields}`, "--format=csv,noheader,nounits"],
    { encoding: "utf8", timeout: smiTimeoutMs, stdio: ["ignore", "pipe", "ignore"] },
  );
  if (status !== 0) return null;
  const rows = stdout.trim().split("\n");
  const cells = rows.map((row) => row.split(",").map((cell) => cell.trim()));
  const gpus = cells
    .filter((row) => row.length >= 5)
    .map(([index, name, mib, computeCapability]): Gpu => ({
      index: Number(index),
      name: name!,
      memoryBytes: Number(mib) * 2 ** 20,
      computeCapability: computeCapability!,
    }));
  return { source: "nvidia-smi", driver: cells[0]?.[4] ?? "", gpus };
}

const driverSymbols = {
  cuInit: { args: ["i32"], returns: "i32" },
  cuDriverGetVersion: { args: ["buffer"], returns: "i32" },
  cuDeviceGetCount: { args: ["buffer"], returns: "i32" },
  cuDeviceGet: { args: ["buffer", "i32"], returns: "i32" },
  cuDeviceGetName: { args: ["buffer", "i32", "i32"], returns: "i32" },
  cuDeviceTotalMem_v2: { args: ["buffer", "i32"], returns: "i32" },
  cuDeviceGetAttribute: { args: ["buffer", "i32", "i32"], returns: "i32" },
} as const;
/** CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR */
const capabilityAttributes = [75, 76] as const;

function gpusByDriver(): GpuList | null {
  let cuda;
  try {
    cuda = runtime.open("libcuda.so.1", driverSymbols);
  } catch {
    return null;
  }
  const number = new Int32Array(1);
  const asked = (status: number): number => (status === 0 ? number[0]! : 0);
  if (cuda.cuInit(0) !== 0) return null;
  const version = asked(cuda.cuDriverGetVersion(number));
  const driver = `CUDA ${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
  const gpus = Array.from({ length: asked(cuda.cuDeviceGetCount(number)) }, (_, index): Gpu => {
    const device = asked(cuda.cuDeviceGet(number, index));
    const name = new Uint8Array(128);
    cuda.cuDeviceGetName(name, name.length, device);
    const bytes = new BigUint64Array(1);
    cuda.cuDeviceTotalMem_v2(bytes, device);
    const capability = capabilityAttributes.map((attribute) =>
      asked(cuda.cuDeviceGetAttribute(number, attribute, device)),
    );
    return {
      index,
      name: new TextDecoder().decode(name.subarray(0, name.indexOf(0))),
      memoryBytes: Number(bytes[0]),
      computeCapability: capability.join("."),
    };
  });
  return { source: "libcuda.so.1", driver, gpus };
}

/**
 * What makes a server see these GPUs and no others.
 * @throws UserError for one that this machine does not have, if it has a driver that knows.
 */
export function gpuEnvironment(chosen: readonly number[], list: GpuList | null) {
  const known = list?.gpus.map(({ index }) => index);
  const missing = chosen.find((index) => known !== undefined && !known.includes(index));
  if (missing !== undefined) {
    const has = known!.length === 0 ? "no GPU" : `the GPUs ${known!.join(", ")}`;
    throw new UserError(`there is no GPU ${missing}: ${list!.source} shows ${has}`);
  }
  // The driver's own order puts the fastest first; nvidia-smi counts by the bus.
  return { CUDA_DEVICE_ORDER: "PCI_BUS_ID", CUDA_VISIBLE_DEVICES: chosen.join(",") };
}
