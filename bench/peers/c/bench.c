/* The contestant c: the same work as the Go ones, straight on the C library, as the limit of what there is to reach.
** See the package work for the workloads; texts, values, checksums and what is printed are those of it.
**
** usage: c DIR full|quick [WORKLOAD,...]
*/
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "sqlite3.h"

#define READERS 8
#define CHUNK (64 << 10)
#define FEW_ROWS 10000

static char path[4096];
static int rows = 1000000, points = 200000, ranges = 50000, rounds = 200, joins = 20000, blobs = 200, hooked = 100000,
           execs = 100000, reads = 50000;

static void die(sqlite3 *db, const char *what) {
  fprintf(stderr, "c: %s: %s\n", what, db ? sqlite3_errmsg(db) : "");
  exit(1);
}

/* What is timed: the clock, and the processor time of all threads, in nanoseconds. */
struct timing { double clock, cpu; };

static struct timing now(void) {
  struct timespec t;
  struct rusage u;
  clock_gettime(CLOCK_MONOTONIC, &t);
  getrusage(RUSAGE_SELF, &u);
  return (struct timing){t.tv_sec * 1e9 + t.tv_nsec, (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e9 +
                                                         (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e3};
}

static struct timing since(struct timing start) {
  struct timing t = now();
  return (struct timing){t.clock - start.clock, t.cpu - start.cpu};
}

/* The most resident memory so far, in bytes. getrusage would tell of the program that started this one, too. */
static double peak(void) {
  char line[256];
  double kb = 0;
  FILE *f = fopen("/proc/self/status", "r");
  if (!f) return 0;
  while (fgets(line, sizeof line, f)) sscanf(line, "VmHWM: %lf", &kb);
  fclose(f);
  return kb * 1024;
}

static void report_took(const char *workload, struct timing took, int ops, uint64_t sum) {
  printf("{\"result\":{\"workload\":\"%s\",\"ns\":%f,\"cpu\":%f,\"ops\":%d,\"sum\":%llu,\"allocs\":0,"
         "\"peak\":%.0f}}\n",
         workload, took.clock / ops, took.cpu / ops, ops, (unsigned long long)sum, peak());
  fflush(stdout);
}

static void report(const char *workload, struct timing start, int ops, uint64_t sum) {
  report_took(workload, since(start), ops, sum);
}

static void exec(sqlite3 *db, const char *sql) {
  if (sqlite3_exec(db, sql, 0, 0, 0) != SQLITE_OK) die(db, sql);
}

static sqlite3 *open_db(void) {
  sqlite3 *db;
  if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, 0) != SQLITE_OK)
    die(db, "open");
  exec(db, "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
           "PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 1000");
  return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
  sqlite3_stmt *s;
  if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, 0) != SQLITE_OK) die(db, sql);
  return s;
}

static int64_t scatter(int k, int n) { return (int64_t)((uint32_t)k * 2654435761u) % n + 1; }

static uint64_t sum_row(sqlite3_stmt *s, const char *kinds) {
  uint64_t sum = 0;
  for (int i = 0; kinds[i]; i++) {
    switch (kinds[i]) {
      case 'i': sum += (uint64_t)sqlite3_column_int64(s, i); break;
      case 'f': {
        double v = sqlite3_column_double(s, i);
        uint64_t bits;
        memcpy(&bits, &v, 8);
        sum += bits >> 12;
        break;
      }
      default: {
        const unsigned char *p = kinds[i] == 't' ? sqlite3_column_text(s, i) : sqlite3_column_blob(s, i);
        int n = sqlite3_column_bytes(s, i);
        if (n > 0) sum += (uint64_t)n + p[n - 1];
      }
    }
  }
  return sum;
}

static uint64_t run(sqlite3 *db, sqlite3_stmt *s, const char *kinds) {
  uint64_t sum = 0;
  int rc;
  while ((rc = sqlite3_step(s)) == SQLITE_ROW) sum += sum_row(s, kinds);
  if (rc != SQLITE_DONE) die(db, "step");
  sqlite3_reset(s);
  return sum;
}

static uint64_t each(sqlite3 *db, sqlite3_stmt *s, const char *kinds, int times, int first, int stride, int most) {
  uint64_t sum = 0;
  for (int k = 0; k < times; k++) {
    if (sqlite3_bind_parameter_count(s) > 0) sqlite3_bind_int64(s, 1, scatter(first + k * stride, most));
    sum += run(db, s, kinds);
  }
  return sum;
}

static void query(sqlite3 *db, const char *workload, const char *sql, const char *kinds, int times, int ops) {
  struct timing start = now();
  sqlite3_stmt *s = prepare(db, sql);
  uint64_t sum = each(db, s, kinds, times, 0, 1, rows);
  sqlite3_finalize(s);
  report(workload, start, ops, sum);
}

/* Each query as a transaction of its own, and then all of them in one. */
static void both_ways(sqlite3 *db, const char *workload, const char *sql, const char *kinds, int times) {
  char name[64];
  query(db, workload, sql, kinds, times, times);
  snprintf(name, sizeof name, "%s-tx", workload);
  exec(db, "BEGIN");
  query(db, name, sql, kinds, times, times);
  exec(db, "COMMIT");
}

static void insert_rows(sqlite3 *db, const char *sql, int n) {
  sqlite3_stmt *s = prepare(db, sql);
  char name[21];
  memcpy(name, "name-of-row-", 12);
  for (int i = 0; i < n; i++) {
    uint32_t h = (uint32_t)i * 2654435761u;
    for (int j = 0; j < 8; j++) name[12 + j] = "0123456789abcdef"[h >> (28 - 4 * j) & 15];
    sqlite3_bind_int64(s, 1, i + 1);
    sqlite3_bind_text(s, 2, name, 20, SQLITE_STATIC);
    sqlite3_bind_int64(s, 3, h % 100000);
    sqlite3_bind_double(s, 4, i / 4.0);
    if (sqlite3_step(s) != SQLITE_DONE) die(db, sql);
    sqlite3_reset(s);
  }
  sqlite3_finalize(s);
}

static const char *POINT = "SELECT id, name, count, score FROM item WHERE id = ?";

struct reader { pthread_t thread; sqlite3 *db; int index; uint64_t sum; };

static void *read_points(void *arg) {
  struct reader *r = arg;
  sqlite3_stmt *s = prepare(r->db, POINT);
  r->sum = each(r->db, s, "itif", reads, r->index, READERS, rows);
  sqlite3_finalize(s);
  return 0;
}

static void readers8(sqlite3 *db) {
  struct reader r[READERS];
  for (int i = 0; i < READERS; i++) r[i] = (struct reader){.db = open_db(), .index = i};
  struct timing start = now();
  for (int i = 0; i < READERS; i++) pthread_create(&r[i].thread, 0, read_points, &r[i]);
  uint64_t sum = 0;
  for (int i = 0; i < READERS; i++) {
    pthread_join(r[i].thread, 0);
    sum += r[i].sum;
  }
  report("readers8", start, READERS * reads, sum);
  for (int i = 0; i < READERS; i++) sqlite3_close(r[i].db);
}

static void small(sqlite3 *db) {
  static const char *sql[] = {
      "SELECT id, name FROM item WHERE id < 4", "SELECT count(*) FROM grp",
      "SELECT name, kind FROM grp WHERE id BETWEEN 10 AND 14", "SELECT max(id) FROM item",
      "SELECT name FROM kind ORDER BY id DESC"};
  static const char *kinds[] = {"it", "i", "ti", "i", "t"};
  sqlite3_stmt *s[5];
  struct timing start = now();
  for (int i = 0; i < 5; i++) s[i] = prepare(db, sql[i]);
  uint64_t sum = 0;
  for (int r = 0; r < rounds; r++)
    for (int i = 0; i < 5; i++) sum += run(db, s[i], kinds[i]);
  for (int i = 0; i < 5; i++) sqlite3_finalize(s[i]);
  report("small", start, rounds * 5, sum);
}

static void blob(sqlite3 *db) {
  int n = 1 << 20;
  unsigned char *data = malloc(n);
  for (int i = 0; i < n; i++) data[i] = (unsigned char)(i * 7);
  exec(db, "CREATE TABLE large(id INTEGER PRIMARY KEY, data BLOB)");
  struct timing start = now();
  exec(db, "BEGIN");
  sqlite3_stmt *s = prepare(db, "INSERT INTO large(id, data) VALUES (?, ?)");
  for (int i = 0; i < blobs; i++) {
    sqlite3_bind_int64(s, 1, i);
    sqlite3_bind_blob(s, 2, data, n, SQLITE_STATIC);
    run(db, s, "");
  }
  sqlite3_finalize(s);
  exec(db, "COMMIT");
  uint64_t sum = 0;
  s = prepare(db, "SELECT data FROM large WHERE id = ?");
  for (int i = 0; i < blobs; i++) {
    sqlite3_bind_int64(s, 1, i);
    sum += run(db, s, "b");
  }
  sqlite3_finalize(s);
  report("blob", start, 2 * blobs, sum);
  free(data);
}

static void write_in_place(sqlite3 *db, const unsigned char *chunk) {
  for (int i = 0; i < blobs; i++) {
    sqlite3_blob *b;
    if (sqlite3_blob_open(db, "main", "inplace", "data", i, 1, &b) != SQLITE_OK) die(db, "blob open");
    for (int at = 0; at < 1 << 20; at += CHUNK)
      if (sqlite3_blob_write(b, chunk, CHUNK, at) != SQLITE_OK) die(db, "blob write");
    sqlite3_blob_close(b);
  }
}

static uint64_t read_in_place(sqlite3 *db, unsigned char *chunk) {
  uint64_t sum = 0;
  for (int i = 0; i < blobs; i++) {
    sqlite3_blob *b;
    if (sqlite3_blob_open(db, "main", "inplace", "data", i, 0, &b) != SQLITE_OK) die(db, "blob open");
    for (int at = 0; at < 1 << 20; at += CHUNK) {
      if (sqlite3_blob_read(b, chunk, CHUNK, at) != SQLITE_OK) die(db, "blob read");
      sum += CHUNK + chunk[CHUNK - 1];
    }
    sqlite3_blob_close(b);
  }
  return sum;
}

static void blobio(sqlite3 *db) {
  unsigned char *chunk = malloc(CHUNK);
  for (int i = 0; i < CHUNK; i++) chunk[i] = (unsigned char)(i * 7);
  char fill[256];
  snprintf(fill, sizeof fill, "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
           "INSERT INTO inplace SELECT i, zeroblob(%d) FROM n", blobs - 1, 1 << 20);
  exec(db, "CREATE TABLE inplace(id INTEGER PRIMARY KEY, data BLOB)");
  exec(db, fill);
  struct timing start = now();
  exec(db, "BEGIN");
  write_in_place(db, chunk);
  exec(db, "COMMIT");
  report("blobio", start, 2 * blobs, read_in_place(db, chunk));
  free(chunk);
}

static void increment(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  sqlite3_result_int64(ctx, sqlite3_value_int64(argv[0]) + 1);
}

static void function(sqlite3 *db) {
  query(db, "builtin", "SELECT sum(abs(count)) FROM item", "i", 1, rows);
  sqlite3_create_function(db, "increment", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, 0, increment, 0, 0);
  query(db, "function", "SELECT sum(increment(count)) FROM item", "i", 1, rows);
}

/* The same work without a hook that does nothing, and with it. The first time is not counted. */
static void with_and_without(sqlite3 *db, const char *name, int ops, void (*set)(sqlite3 *, int),
                             void (*before)(sqlite3 *), uint64_t (*f)(sqlite3 *)) {
  static const int on[] = {0, 0, 1, 1, 0};
  struct timing took[2] = {{0, 0}, {0, 0}};
  uint64_t sum = 0;
  char full[64];
  for (int i = 0; i < 5; i++) {
    set(db, on[i]);
    if (before) before(db);
    struct timing start = now();
    sum = f(db);
    struct timing t = since(start);
    if (i == 0) continue;
    took[on[i]].clock += t.clock / 2;
    took[on[i]].cpu += t.cpu / 2;
  }
  set(db, 0);
  for (int i = 0; i < 2; i++) {
    snprintf(full, sizeof full, "%s-%s", name, i ? "on" : "off");
    report_took(full, took[i], ops, sum);
  }
}

static void on_update(void *p, int op, const char *schema, const char *table, sqlite3_int64 rowid) {}
static void set_update_hook(sqlite3 *db, int on) { sqlite3_update_hook(db, on ? on_update : 0, 0); }

static void empty_hooked(sqlite3 *db) {
  exec(db, "CREATE TABLE IF NOT EXISTS hooked"
           "(id INTEGER PRIMARY KEY, name TEXT NOT NULL, count INTEGER NOT NULL, score REAL NOT NULL);"
           "DELETE FROM hooked");
}

static uint64_t insert_hooked(sqlite3 *db) {
  exec(db, "BEGIN");
  insert_rows(db, "INSERT INTO hooked(id, name, count, score) VALUES (?, ?, ?, ?)", hooked);
  exec(db, "COMMIT");
  return 0;
}

static void updatehook(sqlite3 *db) {
  with_and_without(db, "updatehook", hooked, set_update_hook, empty_hooked, insert_hooked);
}

static int allow(void *p, int action, const char *a, const char *b, const char *schema, const char *trigger) {
  return SQLITE_OK;
}
static void set_authorizer(sqlite3 *db, int on) { sqlite3_set_authorizer(db, on ? allow : 0, 0); }

static const char *ONE = "SELECT count FROM item WHERE id = ?";

static uint64_t one_integers(sqlite3 *db) {
  static sqlite3_stmt *s;
  if (!s) s = prepare(db, ONE);
  return each(db, s, "i", hooked, 0, 1, rows);
}

static void authorizer(sqlite3 *db) { with_and_without(db, "authorizer", hooked, set_authorizer, 0, one_integers); }

static const char *AGGREGATE = "SELECT count % 100, count(*), sum(score), max(name) FROM item GROUP BY 1";

static int go_on(void *p) { return 0; }
static void set_progress(sqlite3 *db, int on) { sqlite3_progress_handler(db, on ? 1000 : 0, on ? go_on : 0, 0); }

static uint64_t aggregate_once(sqlite3 *db) {
  sqlite3_stmt *s = prepare(db, AGGREGATE);
  uint64_t sum = run(db, s, "iift");
  sqlite3_finalize(s);
  return sum;
}

static void progress(sqlite3 *db) { with_and_without(db, "progress", 1, set_progress, 0, aggregate_once); }

static void insert(sqlite3 *db) {
  exec(db, "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT NOT NULL, count INTEGER NOT NULL, score REAL NOT NULL);"
           "CREATE INDEX item_count ON item(count);"
           "CREATE TABLE grp(id INTEGER PRIMARY KEY, name TEXT, kind INTEGER);"
           "CREATE TABLE kind(id INTEGER PRIMARY KEY, name TEXT);"
           "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999)"
           "INSERT INTO grp SELECT i, 'group ' || i, i % 10 FROM n;"
           "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9)"
           "INSERT INTO kind SELECT i, 'kind ' || i FROM n");
  struct timing start = now();
  exec(db, "BEGIN");
  insert_rows(db, "INSERT INTO item(id, name, count, score) VALUES (?, ?, ?, ?)", rows);
  exec(db, "COMMIT");
  report("insert", start, rows, 0);
}

static void read_all(sqlite3 *db) { query(db, "read", "SELECT id, name, count, score FROM item", "itif", 1, rows); }
static void point(sqlite3 *db) { both_ways(db, "point", POINT, "itif", points); }

static void range10(sqlite3 *db) {
  both_ways(db, "range10", "SELECT id, name, count, score FROM item WHERE id >= ? ORDER BY id LIMIT 10", "itif", ranges);
}

static void join3(sqlite3 *db) {
  both_ways(db, "join3",
            "SELECT item.name, grp.name, kind.name FROM item JOIN grp ON grp.id = item.count % 1000 "
            "JOIN kind ON kind.id = grp.kind WHERE item.id >= ? ORDER BY item.id LIMIT 10", "ttt", joins);
}

static void aggregate(sqlite3 *db) { query(db, "aggregate", AGGREGATE, "iift", 1, 1); }
static void sort(sqlite3 *db) { query(db, "sort", "SELECT id, name FROM item ORDER BY name", "it", 1, 1); }

static void like(sqlite3 *db) {
  query(db, "like", "SELECT count(*) FROM item WHERE name LIKE '%ab%'", "i", 1, 1);
}

static void execute(sqlite3 *db) {
  struct timing start = now();
  sqlite3_stmt *s = prepare(db, ONE);
  uint64_t sum = each(db, s, "i", execs, 0, 1, FEW_ROWS < rows ? FEW_ROWS : rows);
  sqlite3_finalize(s);
  report("exec", start, execs, sum);
}

static const struct { const char *name; void (*run)(sqlite3 *); } workloads[] = {
    {"insert", insert}, {"read", read_all}, {"point", point}, {"range10", range10}, {"small", small},
    {"join3", join3}, {"readers8", readers8}, {"aggregate", aggregate}, {"sort", sort}, {"like", like},
    {"blob", blob}, {"blobio", blobio}, {"function", function}, {"updatehook", updatehook},
    {"authorizer", authorizer}, {"progress", progress}, {"exec", execute}};

/* Whether a name is in a list with commas between. The first workload always runs, as the others need its tables. */
static int wanted(const char *name, const char *list) {
  size_t n = strlen(name);
  if (!*list || name == workloads[0].name) return 1;
  for (const char *p = list; (p = strstr(p, name)); p += n)
    if ((p == list || p[-1] == ',') && (p[n] == 0 || p[n] == ',')) return 1;
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 3) die(0, "usage: c DIR full|quick [WORKLOAD,...]");
  snprintf(path, sizeof path, "%s/bench.db", argv[1]);
  if (strcmp(argv[2], "quick") == 0) {
    rows = 100000, points = 20000, ranges = 5000, rounds = 50, joins = 2000, blobs = 20, hooked = 20000, execs = 20000;
    reads = 5000;
  }
  printf("{\"sqlite\":\"%s\"}\n", sqlite3_libversion());
  sqlite3 *db = open_db();
  for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
    if (wanted(workloads[i].name, argc > 3 ? argv[3] : "")) workloads[i].run(db);
  return 0; /* the system closes what is open */
}
