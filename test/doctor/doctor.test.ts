/** Proves that the doctor sees what is wrong with machines that are told to it, and the real one without secrets. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { wakeUpFinding } from "../../src/doctor/clock.ts";
import type { Finding, Section } from "../../src/doctor/index.ts";
import { limitFindings } from "../../src/doctor/limits.ts";
import { gpuFindings, loadFinding } from "../../src/doctor/machine.ts";
import { storageFindings } from "../../src/doctor/storage.ts";
import { run } from "../support/binary.ts";

const goodMachine: Readonly<Record<string, string>> = {
  "/proc/self/limits":
    "Max open files            1048576              1048576              files     \n",
  "/proc/sys/net/ipv4/ip_local_port_range": "1024\t65535\n",
  "/proc/sys/net/core/somaxconn": "4096\n",
  "/proc/self/cgroup": "0::/user.slice\n",
  "/sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
  "/sys/fs/cgroup/user.slice/memory.max": "max\n",
  "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
  "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
};

const limits = (changed: Readonly<Record<string, string>>): Finding[] =>
  limitFindings((path) => ({ ...goodMachine, ...changed })[path] ?? null, 8);

const notOk = (findings: readonly Finding[]): string[] =>
  findings.filter(({ level }) => level !== "ok").map(({ name, level }) => `${level} ${name}`);

test("a good machine has no faults", () => {
  expect(notOk(limits({}))).toEqual([]);
  expect(notOk(limitFindings(() => null, 8))).toEqual([]); // a kernel that tells nothing
});

const files = (soft: number): string => `Max open files            ${soft}   4096   files\n`;
const version1 = "5:memory:/box\n3:cpu,cpuacct:/box\n";
test.each([
  ["warn open files", { "/proc/self/limits": files(4096) }],
  ["bad open files", { "/proc/self/limits": files(256) }],
  ["warn ports for clients", { "/proc/sys/net/ipv4/ip_local_port_range": "60000 61000" }],
  ["warn waiting connections", { "/proc/sys/net/core/somaxconn": "128\n" }],
  ["warn CPU quota", { "/sys/fs/cgroup/user.slice/cpu.max": "150000 100000\n" }],
  [
    "warn CPU quota",
    {
      "/sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
      "/proc/self/cgroup": `0::/nowhere\n${version1}`,
      "/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "200000\n",
      "/sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
    },
  ],
  [
    "warn memory limit",
    {
      "/sys/fs/cgroup/user.slice/memory.max": "1000000000\n",
      "/sys/fs/cgroup/user.slice/memory.current": "950000000\n",
    },
  ],
  [
    "warn huge pages",
    { "/sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]\n" },
  ],
  [
    "warn real-time priority",
    {
      "/proc/self/status": "CapEff:\t00000000a80425fb\n",
      "/proc/self/limits": `${files(20_000)}Max realtime priority     0      0      \n`,
    },
  ],
  ["warn governor", { "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n" }],
])("%s", (fault, changed) => {
  expect(notOk(limits(changed))).toEqual([fault]);
});

const realTime = (capabilities: string, most: number): string =>
  limits({
    "/proc/self/status": `CapEff:\t${capabilities}\n`,
    "/proc/self/limits": `${files(20_000)}Max realtime priority     ${most}      ${most}      \n`,
  }).find(({ name }) => name === "real-time priority")!.value;

test("real-time priority is had by capability or by limit", () => {
  expect(realTime("00000000a80425fb", 0)).toBe("not allowed");
  expect(realTime("00000000a80425fb", 1)).toBe("allowed");
  expect(realTime("000001ffffffffff", 0)).toBe("allowed");
});

test("what a quota means for threads", () => {
  const quota = limits({ "/sys/fs/cgroup/user.slice/cpu.max": "250000 100000\n" });
  const { value, advice } = quota.find(({ name }) => name === "CPU quota")!;
  expect(value).toBe("2.50 of 8 cores");
  expect(advice).toEndWith("or serve --threads 2");
});

test("a busy machine, a late one", () => {
  expect(loadFinding(0.3, 2).level).toBe("ok");
  expect(loadFinding(3, 2).level).toBe("warn");
  expect(wakeUpFinding(new Float64Array(100).fill(60e-6))).toMatchObject({
    level: "ok",
    value: "p50 0.060 ms, p99 0.060 ms late",
  });
  expect(wakeUpFinding(new Float64Array(100).fill(2e-3)).level).toBe("warn");
});

test("GPUs: none, none to be seen, one", () => {
  const list = { source: "nvidia-smi", driver: "580.95.05" } as const;
  const gpu = {
    index: 0,
    name: "NVIDIA H200",
    memoryBytes: 143771 * 2 ** 20,
    computeCapability: "9.0",
  };
  expect(gpuFindings(null)).toMatchObject([{ level: "ok", value: expect.stringMatching(/^none/) }]);
  expect(gpuFindings({ ...list, gpus: [] })).toMatchObject([{ level: "warn" }]);
  expect(gpuFindings({ ...list, gpus: [gpu] })).toMatchObject([
    {
      name: "GPU 0",
      value: "NVIDIA H200, 151 GB, compute capability 9.0, driver 580.95.05 (nvidia-smi)",
    },
  ]);
});

test("folders: one that is to be made, one that cannot be", () => {
  const folder = mkdtempSync(join(tmpdir(), "servebench-doctor-"));
  writeFileSync(join(folder, "file"), "");
  const [good] = storageFindings(join(folder, "a/b"), {});
  expect(good!.value).toMatch(/a\/b \(made when needed\), .* free$/);
  const [wrong] = storageFindings(join(folder, "file/b"), {});
  expect(wrong).toMatchObject({
    level: "bad",
    value: `${join(folder, "file/b")} cannot be written`,
  });
  rmSync(folder, { recursive: true });
});

const findingsOf = (stdout: string): Finding[] =>
  (JSON.parse(stdout) as { sections: Section[] }).sections.flatMap(({ findings }) => findings);

test("this machine, by the program: no secret is shown", async () => {
  const env = {
    PATH: process.env["PATH"]!,
    HOME: tmpdir(),
    HF_TOKEN: "hf_verysecret",
    HF_ENDPOINT: "https://user:password@hub.example",
    HF_HUB_OFFLINE: "1",
  };
  const { code, stdout } = await run(["doctor", "--json"], { env });
  expect(code).toBe(0);
  const findings = findingsOf(stdout);
  const value = (name: string): string => findings.find((f) => f.name === name)!.value;
  expect(value("serve would use")).toMatch(/^cpu, \w+ kernels, \d+ threads?: the best/);
  expect(value("cpu backend")).toMatch(/^ABI 3; kernels for .*scalar$/);
  expect(value("wake-ups")).toMatch(/^p50 \d+\.\d{3} ms, p99 \d+\.\d{3} ms late$/);
  expect(value("a send over loopback")).toMatch(/^takes p50 0\.\d{3} ms/);
  expect(value("access token")).toBe("given by HF_TOKEN (not shown)");
  expect(value("HF_ variables")).toBe("HF_ENDPOINT, HF_HUB_OFFLINE=1, HF_TOKEN");
  expect(stdout).not.toMatch(/verysecret|password/);
});

test("what is bad is exit code 1, with what to do", async () => {
  const env = { PATH: process.env["PATH"]!, HOME: tmpdir(), HF_ENDPOINT: "nonsense" };
  const { code, stdout } = await run(["doctor"], { env });
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /BAD {3}Hugging Face Hub +HF_ENDPOINT: 'nonsense' is not an address.*\n +-> /,
  );
  expect(stdout).toMatch(/1 bad: what needs it will not work/);
});
