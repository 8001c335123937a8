/** The bytes of a safetensors file. */
export function safetensors(header: unknown, dataBytes: number, lengthField?: bigint): Buffer {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(lengthField ?? BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
}

/** A file that holds these tensors, one byte each. */
export function tinyWeights(...names: string[]): Buffer {
  const entries = names.map((name, i) => [
    name,
    { dtype: "U8", shape: [1], data_offsets: [i, i + 1] },
  ]);
  return safetensors(Object.fromEntries(entries), names.length);
}
