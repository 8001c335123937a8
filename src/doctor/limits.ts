/** What the operating system and a container allow. */
import { availableParallelism } from "node:os";
import { sizeText } from "../size-text.ts";
import { bad, judged, ok, type Finding, type ReadText } from "./finding.ts";

export function limitFindings(read: ReadText, cores: number = availableParallelism()): Finding[] {
  return [
    openFiles(read("/proc/self/limits") ?? ""),
    ports(read("/proc/sys/net/ipv4/ip_local_port_range") ?? ""),
    backlog(read("/proc/sys/net/core/somaxconn") ?? ""),
    cpuQuota(read, cores),
    realTime(read("/proc/self/status") ?? "", read("/proc/self/limits") ?? ""),
    memoryLimit(read),
    hugePages(read("/sys/kernel/mm/transparent_hugepage/enabled")),
    governor(read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
  ];
}

/** A stream needs one descriptor here and, on one machine, one in the server. */
const goodFiles = 10_240;
const leastFiles = 1024;

function openFiles(limits: string): Finding {
  const [, soft, hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(limits) ?? [];
  const name = "open files";
  if (soft === undefined) return ok(name, "the kernel does not tell");
  const most = soft === "unlimited" ? Infinity : Number(soft);
  const value = `${soft}, at most ${hard}`;
  const raise = `raise it before you start this program: ulimit -n ${goodFiles}`;
  if (most < leastFiles) return bad(name, value, `not enough for a server under load; ${raise}`);
  const streams = Math.max(0, most - 100);
  const advice = most < goodFiles ? `enough for ${streams} streams at once; ${raise}` : null;
  return judged(name, value, advice);
}

/** A port rests so long after its connection, Linux's TCP_TIMEWAIT_LEN. */
const portRestS = 60;
const goodPorts = 20_000;

function ports(range: string): Finding {
  const [low, high] = range.trim().split(/\s+/).map(Number);
  const name = "ports for clients";
  if (low === undefined || high === undefined) return ok(name, "the kernel does not tell");
  const count = high - low + 1;
  const rate = Math.floor(count / portRestS);
  const advice =
    `a new connection for each request lasts for ${rate} requests a second to one address: ` +
    "widen net.ipv4.ip_local_port_range, or use bench --connection keep-alive";
  return judged(name, `${low} to ${high}, ${count}`, count < goodPorts ? advice : null);
}

const wantedBacklog = 4096;

function backlog(text: string): Finding {
  const most = Number(text.trim());
  const advice = `bursts of more connections are held up a second: sysctl net.core.somaxconn=${wantedBacklog}`;
  const short = text.trim() !== "" && most < wantedBacklog;
  return judged(
    "waiting connections",
    text.trim() || "the kernel does not tell",
    short ? advice : null,
  );
}

/**
 * A file of this process's control group. A container sees its own group as the root; version 2 has one hierarchy,
 * version 1 one for each controller.
 */
function groupText(read: ReadText, controller: "cpu" | "memory", v2: string, v1: string) {
  const groups = read("/proc/self/cgroup") ?? "";
  const path2 = /^0::(.*)$/m.exec(groups)?.[1] ?? "/";
  const path1 =
    new RegExp(`^\\d+:[^:]*\\b${controller}\\b[^:]*:(.*)$`, "m").exec(groups)?.[1] ?? "/";
  const paths = [
    `/sys/fs/cgroup${path2}/${v2}`,
    `/sys/fs/cgroup/${v2}`,
    `/sys/fs/cgroup/${controller}${path1}/${v1}`,
    `/sys/fs/cgroup/${controller}/${v1}`,
  ];
  for (const path of paths) {
    const text = read(path.replaceAll("//", "/"));
    if (text !== null) return text.trim();
  }
  return "";
}

function cpuQuota(read: ReadText, cores: number): Finding {
  const name = "CPU quota";
  const quota = groupText(read, "cpu", "cpu.max", "cpu.cfs_quota_us");
  const period = groupText(read, "cpu", "cpu.max", "cpu.cfs_period_us");
  // Version 2 has both in one file: "150000 100000", or "max 100000".
  const share = Number(quota.split(" ")[0]) / Number(period.split(" ").at(-1));
  if (!(share > 0)) return ok(name, "none");
  const advice =
    `threads for ${cores} cores are stopped in turns, which shows in every tail latency: ` +
    `give the container whole cores (a cpuset), or serve --threads ${Math.max(1, Math.floor(share))}`;
  return judged(name, `${share.toFixed(2)} of ${cores} cores`, share < cores ? advice : null);
}

/** CAP_SYS_NICE of capabilities(7). */
const mayRaise = 1n << 23n;

/** The thread that sends goes before all others while it has times to keep, where it may. */
function realTime(status: string, limits: string): Finding {
  const name = "real-time priority";
  const [, capabilities] = /^CapEff:\s+([0-9a-f]+)/m.exec(status) ?? [];
  const [, most] = /^Max realtime priority\s+(\S+)/m.exec(limits) ?? [];
  if (capabilities === undefined || most === undefined) return ok(name, "the kernel does not tell");
  if ((BigInt(`0x${capabilities}`) & mayRaise) !== 0n || most !== "0") return ok(name, "allowed");
  const advice =
    "what else runs on the client's processors makes sends late: ulimit -r 1 for this user " +
    "(limits.conf: rtprio), or docker run --cap-add SYS_NICE";
  return judged(name, "not allowed", advice);
}

function memoryLimit(read: ReadText): Finding {
  const limit = groupText(read, "memory", "memory.max", "memory.limit_in_bytes");
  const most = limit === "" ? NaN : Number(limit);
  const used = Number(groupText(read, "memory", "memory.current", "memory.usage_in_bytes"));
  // Version 1 says a number near 2^63 for none.
  if (!(most < 2 ** 60)) return ok("memory limit", "none");
  const advice =
    used > 0.9 * most ? "nearly used up: the kernel will end what asks for more" : null;
  return judged("memory limit", `${sizeText(most)}, ${sizeText(used)} in use`, advice);
}

function hugePages(text: string | null): Finding {
  const chosen = /\[(\w+)\]/.exec(text ?? "")?.[1] ?? "not known here";
  const advice =
    "weights are read through many small pages: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
  return judged("huge pages", chosen, chosen === "never" ? advice : null);
}

function governor(text: string | null): Finding {
  const chosen = text?.trim() ?? "not shown, as in most virtual machines";
  const slow = ["powersave", "ondemand", "conservative", "schedutil"].includes(chosen);
  const advice =
    "the clock rate follows the load, so that figures vary: cpupower frequency-set -g performance";
  return judged("governor", chosen, slow ? advice : null);
}
