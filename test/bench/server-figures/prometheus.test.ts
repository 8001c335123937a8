/** Proves that the text format is read as written, whatever is in it, and that nothing makes the reader throw. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { parseMetrics, type Sample } from "../../../src/bench/server-figures/prometheus.ts";

test("a page as SGLang and vLLM write it", () => {
  const page = `# HELP sglang:token_usage The token usage
# TYPE sglang:token_usage gauge
sglang:token_usage{model_name="m",tp_rank="0"} 0.25
vllm:num_requests_running{engine="0",model_name="a \\"b\\" {c}, d=\\\\e\\n"} 3.0
vllm:request_success_total{finished_reason="length"} 1.2e+06 1395066363000
process_open_fds 11

python_info{implementation="CPython",} 1
le_bucket{le="+Inf"} +Inf
nothing NaN
  indented\t-4
broken{a=b} 1
also broken
1wrong 2
words one
`;
  expect(parseMetrics(page)).toEqual([
    { name: "sglang:token_usage", labels: { model_name: "m", tp_rank: "0" }, value: 0.25 },
    {
      name: "vllm:num_requests_running",
      labels: { engine: "0", model_name: 'a "b" {c}, d=\\e\n' },
      value: 3,
    },
    {
      name: "vllm:request_success_total",
      labels: { finished_reason: "length" },
      value: 1_200_000,
    },
    { name: "process_open_fds", labels: {}, value: 11 },
    { name: "python_info", labels: { implementation: "CPython" }, value: 1 },
    { name: "le_bucket", labels: { le: "+Inf" }, value: Infinity },
    { name: "nothing", labels: {}, value: NaN },
    { name: "indented", labels: {}, value: -4 },
  ] as never);
});

const first = [..."abcXYZ_"];
const later = [...first, ..."0189"];
const word = (starts: string[]) =>
  fc
    .tuple(fc.constantFrom(...starts), fc.string({ unit: fc.constantFrom(...later), maxLength: 8 }))
    .map((parts) => parts.join(""));
const sample: fc.Arbitrary<Sample> = fc.record({
  name: word([...first, ":"]),
  labels: fc.dictionary(
    word(first),
    fc.string({ unit: "binary" }).map((s) => s.replaceAll("\r", "")),
    {
      maxKeys: 4,
    },
  ),
  value: fc.oneof(fc.double(), fc.integer()).map((value) => value + 0), // no text tells -0 from 0 here
});

const escaped = (text: string) =>
  text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');

function written({ name, labels, value }: Sample): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  const number = Number.isNaN(value) ? "NaN" : String(value).replace("Infinity", "Inf");
  return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${number}`;
}

describe("fuzzed", () => {
  test("what is written is read again, between lines of any kind", () => {
    const noise = fc.constantFrom("", "# TYPE a gauge", "#", "broken", "a{b} 1", 'a{b="} 1');
    fc.assert(
      fc.property(fc.array(fc.tuple(sample, noise)), (lines) => {
        const text = lines.map(([one, between]) => `${written(one)}\n${between}\n`).join("");
        const read = parseMetrics(text);
        expect(read.map((s) => ({ ...s, labels: { ...s.labels } }))).toEqual(
          lines.map(([one]) => ({ ...one, labels: { ...one.labels } })),
        );
      }),
    );
  });

  test("any text gives samples of the format, and no error", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom(...'a:{}="\\, \n1.e+N#') }),
    );
    fc.assert(
      fc.property(text, (page) => {
        for (const { name, value } of parseMetrics(page)) {
          expect(name).toMatch(/^[A-Za-z_:][\w:]*$/);
          expect(typeof value).toBe("number");
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("a long broken line takes no time to speak of", () => {
    const page = `a{${'b="\\'.repeat(50_000)} 1`;
    expect(parseMetrics(page)).toEqual([]);
  });
});
