/** Proves what each wire format counts as a token, an end and a failure. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { backendOf } from "../../src/bench/backends/index.ts";
import { defaultOptions } from "../../src/bench/options.ts";
import { backends } from "../../src/bench/options.ts";
import type { BackendName, BenchOptions } from "../../src/bench/options.ts";

/** Reads one line a second. */
function read(
  lines: readonly string[],
  backend: BackendName = "sglang",
  options: Partial<BenchOptions> = {},
) {
  const reader = backendOf[backend].newReader({ ...defaultOptions, ...options });
  for (const [i, line] of lines.entries()) {
    const failure = reader.line(line, i + 1);
    if (failure) return { failure, reply: reader.reply };
  }
  return { failure: reader.end(), reply: reader.reply };
}
const event = (text: unknown): string => `data: ${JSON.stringify({ choices: [{ text }] })}`;

describe("completions", () => {
  test("times of tokens, gaps and the end", () => {
    const lines = [
      event(""),
      event(" a"),
      ": ping",
      event(" b"),
      event(null),
      "data: [DONE]",
      ": bye",
    ];
    const { failure, reply } = read(lines);
    expect(failure).toBeNull();
    expect(reply).toMatchObject({ ttftS: 2, itlsS: [2], latencyS: 6, text: " a b", usage: null });
    expect(read(lines, "vllm", { compat: "0.2.7" }).reply.itlsS).toEqual([2, 2]);
  });

  test("usage is read, with choices and without", () => {
    const usage = { prompt_tokens: 3, completion_tokens: 2 };
    const counted = { promptTokens: 3, completionTokens: 2 };
    expect(read([`data: ${JSON.stringify({ choices: [], usage })}`]).reply.usage).toEqual(counted);
    expect(read([JSON.stringify({ choices: [{ text: "a" }], usage })]).reply.usage).toEqual(
      counted,
    );
  });

  test("a JSON body on several lines", () => {
    const { failure, reply } = read(
      JSON.stringify({ choices: [{ text: " a b" }] }, null, 1).split("\n"),
    );
    expect(failure).toBeNull();
    expect(reply.text).toBe(" a b");
  });

  test.each([
    ["nothing", [], "empty"],
    ["comments alone", [": ping"], "empty"],
    ["an error event", [event("a"), 'data: {"error": {"message": "boom"}}'], "error event"],
    ["no JSON", ["<html>"], "malformed"],
    ["half an event", [event("a"), 'data: {"choi'], "malformed"],
    ["no choices", ["data: {}"], "malformed"],
    ["null", ["data: null"], "malformed"],
    ["a choice that is text", ['data: {"choices": ["a"]}'], "malformed"],
    ["text that is none", [event(3)], "malformed"],
  ] as const)("%s is a failure", (_, lines, failureClass) => {
    expect(read(lines).failure?.class).toBe(failureClass);
  });

  test("what Python takes as false is no token, and no failure", () => {
    const { failure, reply } = read([event(0), event([]), event(" a"), event({}), event(false)]);
    expect([failure, reply.text, reply.itlsS.length]).toEqual([null, " a", 0]);
  });

  test("[DONE] alone is a success, and Python's constants are read", () => {
    expect(read(["data: [DONE]"]).failure).toBeNull();
    expect(read(['data: {"choices": [{"text": "a", "logprobs": NaN}]}']).reply.text).toBe("a");
  });
});

const output = (text: unknown): string => `data:${JSON.stringify({ text_output: text })}`;

describe("generate_stream", () => {
  test("every event is a token, empty or not; the last ends the latency", () => {
    const { failure, reply } = read([output(""), output(" b"), output("")], "trt", {
      compat: "0.2.7",
    });
    expect(failure).toBeNull();
    expect(reply).toMatchObject({ ttftS: 1, itlsS: [1, 1], latencyS: 3, text: " b" });
  });

  test("errors and other things are failures", () => {
    expect(read(['data: {"error": "busy"}'], "trt").failure?.class).toBe("error event");
    expect(read([output(1)], "trt").failure?.class).toBe("malformed");
    expect(read(["data: [DONE]"], "trt").failure?.class).toBe("malformed");
  });
});

test("no line makes a reader throw", () => {
  const value = fc.oneof(
    fc.jsonValue(),
    fc.record(
      { choices: fc.jsonValue(), usage: fc.jsonValue(), error: fc.jsonValue() },
      { requiredKeys: [] },
    ),
    fc.record({ choices: fc.array(fc.jsonValue()), text_output: fc.jsonValue() }),
    fc.record({ choices: fc.array(fc.record({ delta: fc.jsonValue() }, { requiredKeys: [] })) }),
    fc.record({ text: fc.jsonValue(), output_ids: fc.jsonValue(), meta_info: fc.jsonValue() }),
    fc.record({ content: fc.jsonValue(), stop: fc.jsonValue(), message: fc.jsonValue() }),
  );
  const line = fc.oneof(
    value.map((json) => `data: ${JSON.stringify(json)}`),
    fc.string({ minLength: 1 }),
  );
  fc.assert(
    fc.property(fc.array(line), fc.constantFrom<BackendName>(...backends), (lines, backend) => {
      const { failure } = read(lines, backend);
      expect(failure === null || failure.message.length > 0).toBe(true);
    }),
  );
});

describe("request bodies", () => {
  const request = { prompt: "é", promptLen: 1, outputLen: 7 };

  test("are written as bench_serving writes them", () => {
    expect(backendOf.sglang.body(request, "m", defaultOptions)).toBe(
      '{"model": "m", "prompt": "\\u00e9", "temperature": 0.0, "best_of": 1, "max_tokens": 7, "stream": true, "ignore_eos": true}',
    );
    expect(backendOf.trt.body(request, "m", defaultOptions)).toBe(
      '{"accumulate_tokens": true, "text_input": "\\u00e9", "temperature": 1e-06, "top_p": 1.0, "max_tokens": 7, "stream": true, "min_length": 7, "end_id": 1048576}',
    );
  });

  test("--extra-request-body comes last and may override", () => {
    const options = { ...defaultOptions, disableStream: true, disableIgnoreEos: true };
    const extraRequestBody =
      '{"top_p":0.9,"temperature":1.0,"seed":12345678901234567890,"n":[1,1e5]}';
    const body = backendOf.vllm.body({ ...request, prompt: [1, 2] }, "m", {
      ...options,
      extraRequestBody,
    });
    expect(body).toBe(
      '{"model": "m", "prompt": [1, 2], "temperature": 1.0, "best_of": 1, "max_tokens": 7, "stream": false, "ignore_eos": false, "top_p": 0.9, "seed": 12345678901234567890, "n": [1, 100000.0]}',
    );
    expect(backendOf.trt.body(request, "m", options)).not.toContain("min_length");
  });
});
