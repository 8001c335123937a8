#include "step.h"

#include <math.h>

#include "error.h"

namespace sb {

static size_t step_words(int64_t T, int64_t R, int64_t L, int64_t W) {
  return SB_STEP_HEADER + T + (R + 1) + R + (R + 1) + W + L + L * SB_ROW_WORDS;
}
size_t step_words_max(const Limits& m) { return step_words(m.tokens, m.requests, m.rows, m.table); }
size_t result_words_max(const Limits& m) { return (size_t)m.rows * (SB_RESULT_WORDS + 2 * (SB_TOP_MAX + SB_ASKED_MAX)); }

static int check_count(const char* what, int least, int most, int got) {
  if (got >= least && got <= most) return 0;
  return fail("step: %s: expected %d..%d, got %d", what, least, most, got);
}
static int check_at(const char* what, int index, int64_t least, int64_t most, int64_t got) {
  if (got >= least && got <= most) return 0;
  return fail("step: %s[%d]: expected %lld..%lld, got %lld", what, index, (long long)least, (long long)most,
              (long long)got);
}

static int check_header(const Program& p, const int32_t* words, int count, Step& s) {
  const Limits& m = p.limits;
  if (count < SB_STEP_HEADER) return fail("step: expected at least %d words, got %d", SB_STEP_HEADER, count);
  if (words[0] != SB_ABI_VERSION) return fail("step: version: expected %d, got %d", SB_ABI_VERSION, words[0]);
  s.tokens = words[1];
  s.requests = words[2];
  s.rows = words[3];
  s.table_entries = words[4];
  s.adjust_words = words[5];
  s.asked_words = words[6];
  if (check_count("tokens", 1, m.tokens, s.tokens)) return -1;
  if (check_count("requests", 1, m.requests < s.tokens ? m.requests : s.tokens, s.requests)) return -1;
  if (check_count("logits rows", 0, m.rows, s.rows)) return -1;
  if (check_count("page-table entries", 1, m.table, s.table_entries)) return -1;
  if (check_count("words of adjustments", 0, p.sample_values ? INT32_MAX : 0, s.adjust_words)) return -1;
  if (check_count("words of asked tokens", 0, p.sample_values ? INT32_MAX : 0, s.asked_words)) return -1;
  if (check_at("header", 7, 0, 0, words[7])) return -1;
  size_t expected = step_words(s.tokens, s.requests, s.rows, s.table_entries) + s.adjust_words + (size_t)s.asked_words;
  if ((size_t)count != expected) return fail("step: expected %zu words, got %d", expected, count);
  return 0;
}

static int check_requests(const Program& p, const Step& s) {
  if (check_at("begin", 0, 0, 0, s.begin[0]) || check_at("pages", 0, 0, 0, s.pages[0])) return -1;
  for (int r = 0; r < s.requests; r++) {
    bool last = r + 1 == s.requests;
    if (check_at("begin", r + 1, last ? s.tokens : s.begin[r] + 1, s.tokens, s.begin[r + 1])) return -1;
    if (check_at("pages", r + 1, last ? s.table_entries : s.pages[r], s.table_entries, s.pages[r + 1])) return -1;
    if (check_at("start", r, 0, INT32_MAX, s.start[r])) return -1;
    int64_t end = (int64_t)s.start[r] + s.begin[r + 1] - s.begin[r];
    int64_t covered = (int64_t)(s.pages[r + 1] - s.pages[r]) * SB_PAGE_TOKENS;
    if (end > covered) {
      return fail("step: request %d has positions up to %lld: expected a page table of at least %lld entries, got %d",
                  r, (long long)end - 1, (long long)(end + SB_PAGE_TOKENS - 1) / SB_PAGE_TOKENS,
                  s.pages[r + 1] - s.pages[r]);
    }
  }
  for (int i = 0; i < s.table_entries; i++) {
    if (check_at("table", i, 0, p.limits.pages - 1, s.table[i])) return -1;
  }
  return 0;
}

static float float_of(int32_t word) {
  float f;
  memcpy(&f, &word, 4);
  return f;
}

static int check_float(int row, const char* what, int32_t word, bool open_below, float most) {
  float f = float_of(word);
  if (isfinite(f) && f <= most && (open_below ? f > 0 : f >= 0)) return 0;
  return fail("step: row %d: %s: expected a number in %s0, %g], got %g", row, what, open_below ? "(" : "[",
              (double)most, (double)f);
}

static int check_sampling(const Program& p, const Step& s, int row) {
  const int32_t* w = s.row_sampling(row);
  int values = p.sample_values;
  if (check_at("sampling target of row", row, -1, values - 1, w[0])) return -1;
  if (check_float(row, "temperature", w[1], false, 3e38f)) return -1;
  if (check_float(row, "top_p", w[2], true, 1)) return -1;
  if (check_float(row, "min_p", w[3], false, 1)) return -1;
  if (check_at("sampling top_k of row", row, 1, INT32_MAX, w[4])) return -1;
  if (check_at("sampling position of row", row, 0, INT32_MAX, w[7])) return -1;
  int most = values < SB_TOP_MAX ? values : SB_TOP_MAX;
  if (check_at("sampling top count of row", row, 0, most, w[8])) return -1;
  return check_at("sampling flags of row", row, 0, 1, w[9]);
}

static int check_penalty(int row, const char* what, float f, bool above_zero) {
  if (isfinite(f) && (f > 0 || !above_zero)) return 0;
  return fail("step: row %d: %s: expected a finite number%s, got %g", row, what, above_zero ? " above 0" : "", (double)f);
}

// Counts are whole numbers as fp32, too.
constexpr int kMostCount = 1 << 24;

static int check_counts(const Program& p, const Adjustment& a) {
  int64_t least = -(int64_t)p.last_rows;
  for (int i = 0; i < a.counted; i++) {
    const Adjustment::Entry& e = a.counts()[i];
    if (e.token < least || e.token >= p.sample_values) {
      return fail("step: row %d: counted token %d: expected %lld..%d, got %d", a.row, i, (long long)least,
                  p.sample_values - 1, e.token);
    }
    if (e.word < 1 || e.word > kMostCount) {
      return fail("step: row %d: count of token %d: expected 1..%d, got %d", a.row, e.token, kMostCount, e.word);
    }
    least = e.token < 0 ? 0 : (int64_t)e.token + 1;
  }
  return 0;
}

static int check_biases(const Program& p, const Adjustment& a) {
  int64_t least = 0;
  for (int i = 0; i < a.biased; i++) {
    const Adjustment::Entry& e = a.biases()[i];
    if (e.token < least || e.token >= p.sample_values) {
      return fail("step: row %d: biased token %d: expected %lld..%d, got %d", a.row, i, (long long)least,
                  p.sample_values - 1, e.token);
    }
    float bias = float_of(e.word);
    if (!(bias < INFINITY)) {
      return fail("step: row %d: bias of token %d: expected a finite number or -infinity, got %g", a.row, e.token,
                  (double)bias);
    }
    least = (int64_t)e.token + 1;
  }
  return 0;
}

// Checks the record at `at`, of a row from `least_row` on.
static int check_adjustment(const Program& p, const Step& s, int at, int least_row) {
  const Adjustment& a = *s.adjustment(at);
  size_t left = (size_t)s.adjust_words - at;
  if (left < SB_ADJUST_WORDS) return fail("step: adjustments: expected %d words more, got %zu", SB_ADJUST_WORDS, left);
  if (check_at("adjustments: row at word", at, least_row, s.rows - 1, a.row)) return -1;
  if (check_penalty(a.row, "frequency penalty", a.frequency, false)) return -1;
  if (check_penalty(a.row, "presence penalty", a.presence, false)) return -1;
  if (check_penalty(a.row, "repetition penalty", a.repetition, true)) return -1;
  if (check_at("counted tokens of row", a.row, 0, p.sample_values, a.counted)) return -1;
  if (check_at("biased tokens of row", a.row, 0, p.sample_values, a.biased)) return -1;
  if (a.words() > left) return fail("step: adjustments of row %d: expected %zu words, got %zu", a.row, a.words(), left);
  return check_counts(p, a) || check_biases(p, a) ? -1 : 0;
}

static int check_adjustments(const Program& p, Step& s) {
  for (int row = 0; row < s.rows; row++) s.adjust_at[row] = -1;
  for (int at = 0, least_row = 0; at < s.adjust_words;) {
    if (check_adjustment(p, s, at, least_row)) return -1;
    const Adjustment& a = *s.adjustment(at);
    s.adjust_at[a.row] = at;
    least_row = a.row + 1;
    at += (int)a.words();
  }
  return 0;
}

static int check_asked(const Program& p, Step& s) {
  for (int row = 0; row < s.rows; row++) s.asked_at[row] = -1;
  for (int at = 0, least_row = 0; at < s.asked_words;) {
    int left = s.asked_words - at;
    if (left < SB_ASKED_WORDS) return fail("step: asked tokens: expected %d words more, got %d", SB_ASKED_WORDS, left);
    int row = s.asked[at], count = s.asked[at + 1];
    if (check_at("asked tokens: row at word", at, least_row, s.rows - 1, row)) return -1;
    if (check_at("asked tokens of row", row, 1, SB_ASKED_MAX, count)) return -1;
    if (left - SB_ASKED_WORDS < count) {
      return fail("step: asked tokens of row %d: expected %d, got %d", row, count, left - SB_ASKED_WORDS);
    }
    for (int i = 0; i < count; i++) {
      if (check_at("asked token", i, 0, p.sample_values - 1, s.asked[at + SB_ASKED_WORDS + i])) return -1;
    }
    s.asked_at[row] = at;
    least_row = row + 1;
    at += SB_ASKED_WORDS + count;
  }
  return 0;
}

static void set_arrays(int32_t* words, Step& s) {
  int32_t* at = words + SB_STEP_HEADER;
  auto take = [&at](int n) { return (at += n) - n; };
  s.ids = take(s.tokens);
  s.begin = take(s.requests + 1);
  s.start = take(s.requests);
  s.pages = take(s.requests + 1);
  s.table = take(s.table_entries);
  s.rows_of = take(s.rows);
  s.sampling = take(s.rows * SB_ROW_WORDS);
}

int read_step(const Program& p, int32_t* words, int count, Step& s) {
  if (check_header(p, words, count, s)) return -1;
  set_arrays(words, s);
  for (int i = 0; i < s.tokens; i++) {
    if (check_at("ids", i, -(int64_t)p.last_rows, p.vocabulary - 1, s.ids[i])) return -1;
  }
  if (check_requests(p, s)) return -1;
  for (int i = 0; i < s.rows; i++) {
    if (check_at("rows", i, i ? s.rows_of[i - 1] : 0, s.tokens - 1, s.rows_of[i])) return -1;
    if (p.sample_values && check_sampling(p, s, i)) return -1;
  }
  return check_adjustments(p, s) || check_asked(p, s) ? -1 : 0;
}

int plan_results(const Program& p, Step& s) {
  if (!p.sample_values) return 0;
  int at = s.rows * SB_RESULT_WORDS;
  for (int row = 0; row < s.rows; row++) {
    s.top_begin[row] = at;
    at += 2 * (s.row_sampling(row)[8] + s.row_asked_count(row));
  }
  return at;
}

int resolve_ids(const Program& p, Step& s) {
  for (int i = 0; i < s.tokens; i++) {
    if (s.ids[i] >= 0) continue;
    if (p.previous_failed) return fail("step: ids[%d] is a token of the preceding step, which failed", i);
    s.ids[i] = p.previous_tokens[-1 - s.ids[i]];
    // A target row may name a token of the logits that the table lacks.
    if (s.ids[i] >= p.vocabulary) return fail("step: ids[%d]: expected below %d, got %d", i, p.vocabulary, s.ids[i]);
  }
  return 0;
}

// Gives the first counted token its id and, if the list has it already, its count to that one.
static void resolve_first(Adjustment& a, int token) {
  Adjustment::Entry* first = a.counts();
  if (token < 0) {
    *first = {0, 0};
    return;
  }
  first->token = token;
  int low = 1, high = a.counted;
  while (low < high) {
    int middle = low + (high - low) / 2;
    if (first[middle].token < token) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == a.counted || first[low].token != token) return;
  first[low].word += first->word;
  first->word = 0;
}

int resolve_adjustments(const Program& p, Step& s) {
  if (s.adjust_words == 0) return 0;
  for (int row = 0; row < s.rows; row++) {
    if (s.adjust_at[row] < 0) continue;
    Adjustment& a = *s.adjustment(s.adjust_at[row]);
    if (a.counted == 0 || a.counts()->token >= 0) continue;
    if (p.previous_failed) return fail("step: row %d counts a token of the preceding step, which failed", row);
    resolve_first(a, p.previous_tokens[-1 - a.counts()->token]);
  }
  return 0;
}

void derive_positions(Step& s) {
  for (int r = 0; r < s.requests; r++) {
    const int32_t* table = s.table + s.pages[r];
    for (int i = s.begin[r]; i < s.begin[r + 1]; i++) {
      int position = s.start[r] + i - s.begin[r];
      s.position[i] = position;
      s.kv_slot[i] = table[position / SB_PAGE_TOKENS] * SB_PAGE_TOKENS + position % SB_PAGE_TOKENS;
    }
  }
}

}  // namespace sb
