/*
 * servebench.h: the one C ABI between the program builder (src/program) and every native backend.
 *
 * A model is a program: `sb_op` appends operations and returns value handles; `sb_compile` plans all memory;
 * `sb_run` replays the program for one step and `sb_wait` gives the sampled tokens. Arguments are 32-bit
 * integers and pointers to arrays of the caller, which are read or written during the call only. No pointer
 * is returned. Handles are small non-negative integers, counted per kind and per owner.
 *
 * Errors: every function returns a negative number when it refuses; `sb_error` then gives the sentence (what,
 * expected, got). A refused call changes nothing. Errors of a step belong to its ticket: `sb_wait` returns them.
 *
 * Threads: functions that take a device or a program may be called from one thread at a time. `sb_run` returns
 * at once; the step runs on the backend's own threads (or stream) and steps of one program run in order.
 *
 * Layouts: all matrices are row-major. A linear weight is [out, in], as in Hugging Face checkpoints.
 */
#ifndef SERVEBENCH_H
#define SERVEBENCH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SB_API __attribute__((visibility("default")))

#define SB_ABI_VERSION 3
/* Tokens in a KV page. */
#define SB_PAGE_TOKENS 16
/* Most alternatives reported with a sampled token. */
#define SB_TOP_MAX 20
/* Most tokens whose logprobs a row may be asked for by name. */
#define SB_ASKED_MAX 128
/* Most steps of one program that may be out: run, but not waited for. */
#define SB_STEPS_MAX 4

enum sb_dtype { SB_F32 = 0, SB_BF16 = 1 };

/* ---- library and device ---- */

SB_API int32_t sb_abi_version(void);

/* Copies the calling thread's last error, NUL-terminated, into out. Returns its length. */
SB_API int32_t sb_error(char* out, int32_t capacity);

/*
 * Opens a device. `options` is NUL-terminated text of space-separated key=value pairs; unknown keys are errors.
 *   rank=0 world=1   this process's share of a tensor-parallel group (world > 1: not built, refused)
 *   cpu:  threads=N (0: one per available core)  isa=auto|amx|avx512bf16|avx512|avx2|scalar (auto: the environment
 *         variable SERVEBENCH_ISA, else the best the machine has)
 *         poison=0|1 (1: caches, outputs and scratch are filled with NaN before use; for tests)
 *   null: step_us=N token_us=N (time of a step: step_us + T * token_us)
 */
SB_API int32_t sb_open(const char* options);
/* Frees the device and its tensors; refused while it has programs. */
SB_API int32_t sb_close(int32_t device);

/* Writes a NUL-terminated JSON object: {"backend","isa","threads","memory_bytes"}. Returns its length. */
SB_API int32_t sb_describe(int32_t device, char* out, int32_t capacity);

/* ---- tensors: constant for the life of the device ---- */

/* Maps a file read-only. Returns a file handle. */
SB_API int32_t sb_map(int32_t device, const char* path);

/*
 * A tensor inside a mapped file. where = {offset, dtype, rows, cols}; offset in bytes from the start of the file.
 * A vector has rows = 1. Returns a tensor handle. The null backend accepts any offset.
 */
SB_API int32_t sb_weight(int32_t device, int32_t file, const int64_t* where);

/*
 * A tensor of pseudo-random values, uniform with the given standard deviation and mean, a pure function of seed
 * and index (the same on every backend, see native/include/random.h). spec = {seed, dtype, rows, cols}.
 */
SB_API int32_t sb_random(int32_t device, const int64_t* spec, double std, double mean);

/* A copy of rows x cols fp32 values, stored as dtype. Returns a tensor handle. */
SB_API int32_t sb_constant(int32_t device, const float* values, int32_t dtype, int32_t rows, int32_t cols);

/* ---- programs ---- */

/*
 * Begins a program. limits = {T, R, L, P, W}: the most tokens, requests and logits rows of a step, the pages of the
 * KV pool, the most page-table entries of a step (all requests together).
 */
SB_API int32_t sb_program(int32_t device, const int32_t* limits);

/*
 * Operations: words = {opcode, arguments...}. v = value handle, t = tensor handle, c = cache handle, i = integer,
 * f = fp32 bits. Result shapes: T and L are this step's counts. Values are fp32 between operations unless a backend
 * fuses; accumulation is fp32. A linear with a bf16 weight may round its input to bf16.
 */
enum sb_op {
  SB_OP_EMBED = 1,    /* t table [V,H]                          -> [T,H]   row ids[i] of the table               */
  SB_OP_LOAD = 2,     /* t rows [n,H]                           -> [T,H]   its first T rows (for tests)           */
  SB_OP_RMSNORM = 3,  /* v x [*,W], t weight [1,g], f eps       -> [*,W]   each group of g: x / sqrt(mean(x^2) + eps) * weight; g divides W */
  SB_OP_LINEAR = 4,   /* v x [*,K], t weight [N,K], t bias or -1 -> [*,N]  x * weight^T + bias; bias [1,N] fp32 or bf16 */
  SB_OP_ROPE = 5,     /* v x [T,h*d], t inv_freq [1,r/2] fp32, i d -> [T,h*d]  rotates pairs (j, j + r/2) of each head by position * inv_freq[j]; r <= d */
  SB_OP_KV_CACHE = 6, /* i kv_heads, i head_dim, i dtype        -> cache handle; P pages, zeroed                */
  SB_OP_KV_WRITE = 7, /* c cache, v k [T,kv*d], v v [T,kv*d]    -> 0       stores at each token's page and slot    */
  SB_OP_ATTENTION = 8, /* v q [T,h*d], c cache, f scale         -> [T,h*d] causal softmax(scale q k^T) v over positions 0..own; head i reads kv head i / (h/kv) */
  SB_OP_SILU_MUL = 9, /* v gate [*,W], v up [*,W]               -> [*,W]   gate * sigmoid(gate) * up               */
  SB_OP_ADD = 10,     /* v a, v b                               -> same                                            */
  SB_OP_ROWS = 11,    /* v x [T,W]                              -> [L,W]   the rows whose logits are wanted           */
  SB_OP_SAMPLE = 12,  /* v logits [L,V]                         -> 0       one token a row, see sampling below; at most once, last; adjusts the logits in place */
  SB_OP_KEEP = 13     /* v x                                    -> 0       its memory is not reused: sb_read may read it  */
};

/* Appends an operation. Returns a value handle, a cache handle, or 0. */
SB_API int32_t sb_op(int32_t program, const int32_t* words, int32_t count);

/* Plans and allocates all memory. Returns 0. Afterwards the program only runs; sb_run makes room for adjustments. */
SB_API int32_t sb_compile(int32_t program);

/*
 * Starts a step; returns a ticket > 0. step (SB_STEP_HEADER words, then the arrays in this order):
 *   header       {SB_ABI_VERSION, T, R, L, W, A, Q, 0}
 *   ids[T]       token ids; -1-j means: the token sampled for row j of the preceding step of this program (if that
 *                row has none, -1, the values of this token are NaN, and so its rows will have none either)
 *   begin[R+1]   request r owns tokens begin[r] .. begin[r+1) ; begin[0] = 0, begin[R] = T, none empty
 *   start[R]     position of request r's first token of this step; the others follow
 *   pages[R+1]   request r's page table is table[pages[r] .. pages[r+1]); it covers all its positions;
 *                pages[0] = 0, pages[R] = W
 *   table[W]     page numbers, in order of position
 *   rows[L]      token index (0..T) of each logits row, ascending; equal ones are several draws from one row
 *   sampling[L * SB_ROW_WORDS]  see below
 *   adjust[A]    adjustments of rows, see below; rows without any take no words
 *   asked[Q]     tokens whose logprobs rows are asked for, see below; rows without any take no words
 */
#define SB_STEP_HEADER 8
SB_API int32_t sb_run(int32_t program, const int32_t* step, int32_t count);

/*
 * Sampling of one row, SB_ROW_WORDS words:
 *   0 target       >= 0: no draw, the row answers with this token and its logprob (prompt logprobs); -1: draw
 *   1 temperature  fp32 bits; 0: the most likely token, lowest id among equals
 *   2 top_p        fp32 bits in (0,1]: keep a token while the sum of those before it is <= top_p
 *   3 min_p        fp32 bits in [0,1]
 *   4 top_k        >= 1; V or more: no limit
 *   5 seed low     6 seed high   (64 bits)
 *   7 position     of the token that is drawn: with the seed it keys the Philox4x32-10 draw
 *   8 top count    alternatives to report, 0 .. SB_TOP_MAX
 *   9 flags        bit 0: report logprobs
 * Filters apply to the full softmax of logits / temperature, sorted by probability, then by id: a token is kept if
 * each of them keeps it. The draw is the first kept token, in order of id, at which the cumulated probability of the
 * kept exceeds u times their sum; u = ((w0 >> 5) * 2^26 + (w1 >> 6)) / 2^53 of the first two words of
 * Philox4x32-10 with counter {position, 0, 0, 0} and key {seed low, seed high}. Logprobs are the logarithm of the
 * softmax before filters (temperature 1 where greedy or target). A row whose logits hold NaN or have no finite
 * maximum answers token -1 and NaN logprobs; other rows are not affected.
 */
#define SB_ROW_WORDS 10

/*
 * Adjustments change a row's logits before anything else reads them, in fp32. They are records of
 * SB_ADJUST_WORDS + 2 * (C + B) words, at most one a row, in ascending order of row:
 *   0 row
 *   1 frequency    fp32 bits, finite
 *   2 presence     fp32 bits, finite
 *   3 repetition   fp32 bits, above 0
 *   4 C            counted tokens      5 B  biased tokens
 *   C x {token, count}                 count >= 1
 *   B x {token, fp32 bits of a bias}   -infinity forbids the token; NaN and +infinity are refused
 * Both lists ascend by token. The first counted token may be -1-j: the token sampled for row j of the preceding step,
 * as in ids[]. The device adds its count to that of an equal token in the list; it counts nothing if that row has no
 * token. For each counted token x -= frequency * count, x -= presence, then x *= repetition where x < 0, else
 * x /= repetition; afterwards x += bias for each biased token.
 */
#define SB_ADJUST_WORDS 6

/*
 * Asked tokens of a row: a record of SB_ASKED_WORDS + N words, {row, N, token x N} with N in 1 .. SB_ASKED_MAX, at
 * most one a row, in ascending order of row; tokens in any order. With them the row's own logprob is reported, too.
 */
#define SB_ASKED_WORDS 2

/*
 * Waits for a step and writes, for each row, SB_RESULT_WORDS words {token, logprob bits, top count, N}, then, row by
 * row, the alternatives as {token, logprob bits}, most likely first, and in the same form the N asked tokens in the
 * order of their record. Logprobs that were not asked for are NaN.
 * Returns the words written: 0 for a program without SB_OP_SAMPLE. Each ticket is waited for once, in order.
 */
#define SB_RESULT_WORDS 4
SB_API int32_t sb_wait(int32_t program, int32_t ticket, int32_t* out, int32_t capacity);

/* Copies a kept value of the last completed step as fp32, all its rows. Returns the number of floats. */
SB_API int32_t sb_read(int32_t program, int32_t value, float* out, int32_t capacity);

/* Microseconds that the device stood idle between the last two steps: the host's time per step. */
SB_API int32_t sb_idle_us(int32_t program);

/* Waits for what runs and frees the program. */
SB_API int32_t sb_free(int32_t program);

#ifdef __cplusplus
}
#endif
#endif
