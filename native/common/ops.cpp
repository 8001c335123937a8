#include "ops.h"

#include <limits.h>
#include <math.h>

#include "error.h"

namespace sb {

// Kinds of argument: v value, t tensor, o tensor or -1, c cache, i integer, f fp32 bits.
struct Argument {
  char kind;
  const char* name;
};
struct OpSpec {
  const char* name;
  int arguments;
  Argument argument[kMostArguments];
};

static const OpSpec kSpecs[] = {
    {},
    {"embed", 1, {{'t', "table"}}},
    {"load", 1, {{'t', "rows"}}},
    {"rmsnorm", 3, {{'v', "x"}, {'t', "weight"}, {'f', "eps"}}},
    {"linear", 3, {{'v', "x"}, {'t', "weight"}, {'o', "bias"}}},
    {"rope", 3, {{'v', "x"}, {'t', "inv_freq"}, {'i', "head_dim"}}},
    {"kv_cache", 3, {{'i', "kv_heads"}, {'i', "head_dim"}, {'i', "dtype"}}},
    {"kv_write", 3, {{'c', "cache"}, {'v', "k"}, {'v', "v"}}},
    {"attention", 3, {{'v', "q"}, {'c', "cache"}, {'f', "scale"}}},
    {"silu_mul", 2, {{'v', "gate"}, {'v', "up"}}},
    {"add", 2, {{'v', "a"}, {'v', "b"}}},
    {"rows", 1, {{'v', "x"}}},
    {"sample", 1, {{'v', "logits"}}},
    {"keep", 1, {{'v', "x"}}},
};
constexpr int kOpcodes = sizeof kSpecs / sizeof kSpecs[0];
constexpr int kMostHeadValues = 1 << 24;

const char* op_name(int code) { return kSpecs[code].name; }

static int check_handle(const OpSpec& spec, int i, int word, int count) {
  const Argument& a = spec.argument[i];
  if (a.kind == 'o' && word == -1) return 0;
  if (word >= 0 && word < count) return 0;
  const char* what = a.kind == 'v' ? "value" : a.kind == 'c' ? "cache" : "tensor";
  if (count == 0) return fail("%s: argument %d (%s): no %s exists yet, got %d", spec.name, i + 1, a.name, what, word);
  return fail("%s: argument %d (%s): expected a %s handle in 0..%d, got %d", spec.name, i + 1, a.name, what,
              count - 1, word);
}

static int check_arguments(const Program& p, const OpSpec& spec, const Op& op) {
  for (int i = 0; i < spec.arguments; i++) {
    int word = op.args[i];
    switch (spec.argument[i].kind) {
      case 'v':
        if (check_handle(spec, i, word, p.values.count)) return -1;
        break;
      case 'c':
        if (check_handle(spec, i, word, p.caches.count)) return -1;
        break;
      case 't':
      case 'o':
        if (check_handle(spec, i, word, p.device->tensors.count)) return -1;
        break;
      case 'f':
        if (!isfinite(op.float_arg(i))) {
          return fail("%s: argument %d (%s): expected a finite number", spec.name, i + 1, spec.argument[i].name);
        }
    }
  }
  return 0;
}

// A shape that does not fit: "linear: weight cols: expected 64, got 63".
static int expect(const char* op, const char* what, int expected, int got) {
  if (expected == got) return 0;
  return fail("%s: %s: expected %d, got %d", op, what, expected, got);
}
static int expect_in(const char* op, const char* what, int least, int most, int got) {
  if (got >= least && got <= most) return 0;
  return fail("%s: %s: expected %d..%d, got %d", op, what, least, most, got);
}
static int expect_per_token(const char* op, const char* what, const Value& v) {
  return v.per_row ? fail("%s: %s: expected a value per token [T,*], got one per logits row [L,*]", op, what) : 0;
}
static int expect_multiple(const char* op, const char* what, int unit, int got) {
  if (got % unit == 0) return 0;
  return fail("%s: %s: expected a multiple of %d, got %d", op, what, unit, got);
}
static int expect_same(const char* op, const char* what, const Value& a, const Value& b) {
  if (a.per_row != b.per_row) return fail("%s: %s: expected the same rows, got T and L", op, what);
  return expect(op, what, a.cols, b.cols);
}

// The checks of each operation; *out is its result where it has a value.

static int check_embed(Program& p, const Op& op, Value* out) {
  *out = {.cols = p.tensor(op.args[0]).cols};
  return 0;
}

static int check_load(Program& p, const Op& op, Value* out) {
  const Tensor& rows = p.tensor(op.args[0]);
  *out = {.cols = rows.cols};
  return expect_in("load", "rows of the tensor (limit of T)", p.limits.tokens, INT_MAX, rows.rows);
}

static int check_rmsnorm(Program& p, const Op& op, Value* out) {
  const Tensor& weight = p.tensor(op.args[1]);
  *out = p.value(op.args[0]);
  if (op.float_arg(2) < 0) return fail("rmsnorm: eps: expected at least 0, got %g", (double)op.float_arg(2));
  if (expect("rmsnorm", "weight rows", 1, weight.rows)) return -1;
  return expect_multiple("rmsnorm", "width of x (groups of weight cols)", weight.cols, out->cols);
}

static int check_linear(Program& p, const Op& op, Value* out) {
  const Value& x = p.value(op.args[0]);
  const Tensor& weight = p.tensor(op.args[1]);
  *out = {.per_row = x.per_row, .cols = weight.rows};
  if (expect("linear", "weight cols (width of x)", x.cols, weight.cols)) return -1;
  if (op.args[2] < 0) return 0;
  const Tensor& bias = p.tensor(op.args[2]);
  if (expect("linear", "bias rows", 1, bias.rows)) return -1;
  return expect("linear", "bias cols (rows of weight)", weight.rows, bias.cols);
}

static int check_rope(Program& p, const Op& op, Value* out) {
  const Tensor& inv_freq = p.tensor(op.args[1]);
  int head_dim = op.args[2];
  *out = p.value(op.args[0]);
  if (expect_per_token("rope", "x", *out)) return -1;
  if (expect_in("rope", "head_dim", 1, out->cols, head_dim)) return -1;
  if (expect_multiple("rope", "width of x (heads of head_dim)", head_dim, out->cols)) return -1;
  if (expect("rope", "dtype of inv_freq (fp32)", SB_F32, inv_freq.dtype)) return -1;
  if (expect("rope", "inv_freq rows", 1, inv_freq.rows)) return -1;
  return expect_in("rope", "inv_freq cols (at most half of head_dim)", 1, head_dim / 2, inv_freq.cols);
}

static int check_kv_cache(const Op& op) {
  if (expect_in("kv_cache", "kv_heads", 1, kMostHeadValues, op.args[0])) return -1;
  if (expect_in("kv_cache", "head_dim", 1, kMostHeadValues / op.args[0], op.args[1])) return -1;
  return expect_in("kv_cache", "dtype", SB_F32, SB_BF16, op.args[2]);
}

static int check_kv_write(Program& p, const Op& op, Value*) {
  const Cache& cache = p.caches[op.args[0]];
  for (int i = 1; i <= 2; i++) {
    const char* what = i == 1 ? "width of k (kv_heads * head_dim)" : "width of v (kv_heads * head_dim)";
    const Value& x = p.value(op.args[i]);
    if (expect_per_token("kv_write", i == 1 ? "k" : "v", x)) return -1;
    if (expect("kv_write", what, cache.kv_heads * cache.head_dim, x.cols)) return -1;
  }
  return 0;
}

static int check_attention(Program& p, const Op& op, Value* out) {
  const Cache& cache = p.caches[op.args[1]];
  *out = p.value(op.args[0]);
  if (expect_per_token("attention", "q", *out)) return -1;
  return expect_multiple("attention", "width of q (kv_heads * head_dim)", cache.kv_heads * cache.head_dim,
                         out->cols);
}

static int check_pair(Program& p, const Op& op, Value* out) {
  *out = p.value(op.args[0]);
  const char* name = kSpecs[op.code].name;
  return expect_same(name, "width of the second (of the first)", *out, p.value(op.args[1]));
}

static int check_rows(Program& p, const Op& op, Value* out) {
  *out = p.value(op.args[0]);
  if (expect_per_token("rows", "x", *out)) return -1;
  out->per_row = true;
  return 0;
}

static int check_sample(Program& p, const Op& op, Value*) {
  if (p.value(op.args[0]).per_row) return 0;
  return fail("sample: logits: expected a value per logits row [L,V], got one per token [T,*]: use rows");
}

static int check_shapes(Program& p, const Op& op, Value* out) {
  switch (op.code) {
    case SB_OP_EMBED: return check_embed(p, op, out);
    case SB_OP_LOAD: return check_load(p, op, out);
    case SB_OP_RMSNORM: return check_rmsnorm(p, op, out);
    case SB_OP_LINEAR: return check_linear(p, op, out);
    case SB_OP_ROPE: return check_rope(p, op, out);
    case SB_OP_KV_CACHE: return check_kv_cache(op);
    case SB_OP_KV_WRITE: return check_kv_write(p, op, out);
    case SB_OP_ATTENTION: return check_attention(p, op, out);
    case SB_OP_SILU_MUL:
    case SB_OP_ADD: return check_pair(p, op, out);
    case SB_OP_ROWS: return check_rows(p, op, out);
    case SB_OP_SAMPLE: return check_sample(p, op, out);
    default: return 0;
  }
}

// The operation is accepted: what the program must know of it.
static void note(Program& p, const OpSpec& spec, const Op& op) {
  int index = p.ops.count - 1;
  for (int i = 0; i < spec.arguments; i++) {
    if (spec.argument[i].kind == 'v') p.values[op.args[i]].last = index;
  }
  if (op.code == SB_OP_KEEP) p.values[op.args[0]].kept = true;
  if (op.code == SB_OP_SAMPLE) p.sample_values = p.value(op.args[0]).cols;
  if (op.code == SB_OP_EMBED && p.tensor(op.args[0]).rows < p.vocabulary) p.vocabulary = p.tensor(op.args[0]).rows;
}

int append_op(Program& p, const int32_t* words, int count) {
  if (p.compiled) return fail("sb_op: the program is compiled: it takes no more operations");
  if (count < 1) return fail("sb_op: expected at least 1 word, got %d", count);
  int code = words[0];
  if (code < 1 || code >= kOpcodes) return fail("sb_op: opcode: expected 1..%d, got %d", kOpcodes - 1, code);
  const OpSpec& spec = kSpecs[code];
  if (count != spec.arguments + 1) {
    return fail("%s: expected %d arguments, got %d", spec.name, spec.arguments, count - 1);
  }
  if (p.sample_values && code != SB_OP_KEEP) return fail("%s: expected nothing but keep after sample", spec.name);

  Op op = {.code = code};
  memcpy(op.args, words + 1, spec.arguments * sizeof(int32_t));
  Value value = {};
  if (check_arguments(p, spec, op) || check_shapes(p, op, &value)) return -1;

  value.first = value.last = p.ops.count;
  value.kept = false;
  bool stored = true;
  if (value.cols) {
    op.result = p.values.count;
    stored = p.values.push(value);
  } else if (code == SB_OP_KV_CACHE) {
    op.result = p.caches.count;
    stored = p.caches.push({.kv_heads = op.args[0], .head_dim = op.args[1], .dtype = op.args[2], .memory = {}});
  }
  if (!stored || !p.ops.push(op)) return fail("%s: out of memory", spec.name);
  note(p, spec, op);
  return op.result;
}

// Values alive while another is placed, in order of offset.
struct Block {
  size_t offset, bytes;
  int value;
};

static size_t value_bytes(const Program& p, const Value& v) {
  size_t rows = v.per_row ? p.limits.rows : p.limits.tokens;
  return round_up(rows * v.cols * sizeof(float), 64);
}

// Puts a block into the first gap that takes it.
static bool place(Array<Block>& alive, Block block) {
  size_t offset = 0;
  int at = 0;
  while (at < alive.count && alive[at].offset < offset + block.bytes) {
    offset = alive[at].offset + alive[at].bytes;
    at++;
  }
  block.offset = offset;
  if (!alive.push(block)) return false;
  memmove(&alive[at + 1], &alive[at], (alive.count - 1 - at) * sizeof(Block));
  alive[at] = block;
  return true;
}

int plan_memory(Program& p) {
  Array<Block> alive;
  p.arena_bytes = 0;
  // Values are in order of the operations that write them.
  for (int i = 0; i < p.values.count; i++) {
    Value& v = p.values[i];
    int kept = 0;
    for (Block& b : alive) {
      const Value& other = p.values[b.value];
      if (other.kept || other.last >= v.first) alive[kept++] = b;
    }
    alive.count = kept;
    Block block = {0, value_bytes(p, v), i};
    if (!place(alive, block)) {
      alive.release();
      return fail("sb_compile: out of memory");
    }
    for (Block& b : alive) {
      if (b.value == i) v.offset = b.offset;
    }
    size_t end = v.offset + block.bytes;
    if (end > p.arena_bytes) p.arena_bytes = end;
  }
  alive.release();
  return 0;
}

}  // namespace sb
