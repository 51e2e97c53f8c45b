#include "host/web_file.h"

#include "wire/http_fields.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static const struct {
  const char *ending, *type;
} types[] = {
  {"html", "text/html; charset=utf-8"},
  {"htm", "text/html; charset=utf-8"},
  {"css", "text/css; charset=utf-8"},
  {"js", "text/javascript; charset=utf-8"},
  {"mjs", "text/javascript; charset=utf-8"},
  {"cjs", "text/javascript; charset=utf-8"},
  {"json", "application/json"},
  {"webmanifest", "application/manifest+json"},
  {"map", "application/json"},
  {"txt", "text/plain; charset=utf-8"},
  {"md", "text/markdown; charset=utf-8"},
  {"csv", "text/csv; charset=utf-8"},
  {"vtt", "text/vtt; charset=utf-8"},
  {"fnt", "text/plain; charset=utf-8"},
  {"atlas", "text/plain; charset=utf-8"},
  {"xhtml", "application/xhtml+xml"},
  {"plist", "application/xml"},
  {"tmx", "application/xml"},
  {"xml", "application/xml"},
  {"svg", "image/svg+xml"},
  {"png", "image/png"},
  {"jpg", "image/jpeg"},
  {"jpeg", "image/jpeg"},
  {"gif", "image/gif"},
  {"bmp", "image/bmp"},
  {"apng", "image/apng"},
  {"webp", "image/webp"},
  {"avif", "image/avif"},
  {"ico", "image/x-icon"},
  {"mp3", "audio/mpeg"},
  {"m4a", "audio/mp4"},
  {"aac", "audio/aac"},
  {"flac", "audio/flac"},
  {"ogg", "audio/ogg"},
  {"oga", "audio/ogg"},
  {"opus", "audio/ogg"},
  {"wav", "audio/wav"},
  {"mp4", "video/mp4"},
  {"m4v", "video/mp4"},
  {"mov", "video/quicktime"},
  {"ogv", "video/ogg"},
  {"webm", "video/webm"},
  {"woff", "font/woff"},
  {"woff2", "font/woff2"},
  {"ttf", "font/ttf"},
  {"otf", "font/otf"},
  {"gltf", "model/gltf+json"},
  {"glb", "model/gltf-binary"},
  {"wasm", "application/wasm"},
  {"pdf", "application/pdf"},
  {"zip", "application/zip"},
  {"gz", "application/gzip"},
};

static const char *type_of(const char *path) {
  const char *dot = strrchr(path, '.');
  if (!dot || strchr(dot, '/')) return "application/octet-stream";
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (strcasecmp(dot + 1, types[i].ending) == 0) return types[i].type;
  }
  return "application/octet-stream";
}

static void http_date(time_t t, char out[64]) {
  static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  struct tm tm;
  gmtime_r(&t, &tm); /* not strftime: its names follow the locale */
  snprintf(out, 64, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
           months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Whether an If-None-Match list names the tag (RFC 9110 13.1.2: weak comparison). */
static int names_tag(const char *list, const char *tag) {
  size_t n = strlen(tag);
  while (*list) {
    list += strspn(list, " \t,");
    if (*list == '*') return 1;
    if (strncmp(list, "W/", 2) == 0) list += 2;
    size_t k = strcspn(list, ",");
    while (k && (list[k - 1] == ' ' || list[k - 1] == '\t')) k--;
    if (k == n && memcmp(list, tag, n) == 0) return 1;
    list += strcspn(list, ",");
  }
  return 0;
}

static int is_unchanged(struct MHD_Connection *c, const char *tag, const char *date) {
  const char *h = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "If-None-Match");
  if (h) return names_tag(h, tag);
  h = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "If-Modified-Since");
  return h && strcmp(h, date) == 0; /* clients send back what they were given */
}

/* Whether the range is meant for the bytes that are there now (RFC 9110 13.1.5: strong comparison).
 */
static int range_holds(struct MHD_Connection *c, const char *tag, const char *date) {
  const char *h = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "If-Range");
  return !h || strcmp(h, tag) == 0 || strcmp(h, date) == 0;
}

/* An answer without the file's bytes. Takes the descriptor. */
static struct MHD_Response *without_bytes(int fd) {
  close(fd);
  return MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
}

/* The file's bytes, all or those that the client asks for. Takes the descriptor. */
static struct MHD_Response *with_bytes(struct MHD_Connection *c, const pml__web_file *file,
                                       const char *tag, const char *date, unsigned *status) {
  uint64_t size = (uint64_t)file->st.st_size, first = 0, count = size;
  char part[80];
  const char *h = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Range");
  pml_range range = range_holds(c, tag, date) ? pml_http_range(h, size, &first, &count) : 0;
  struct MHD_Response *r;
  if (range == PML_RANGE_OUTSIDE) {
    r = without_bytes(file->fd);
    *status = 416;
    snprintf(part, sizeof part, "bytes */%" PRIu64, size);
  } else {
    r = MHD_create_response_from_fd_at_offset64(count, file->fd, first); /* takes the descriptor */
    if (!r) close(file->fd);
    *status = range == PML_RANGE_PART ? 206 : 200;
    snprintf(part, sizeof part, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first, first + count - 1,
             size);
  }
  if (r && *status != 200) MHD_add_response_header(r, "Content-Range", part);
  return r;
}

enum MHD_Result pml__web_answer_file(const pml__web_answers *a, struct MHD_Connection *c,
                                     const pml__web_file *file) {
  char tag[64], date[64];
  unsigned status = 304;
  const struct stat *st = &file->st;
  snprintf(tag, sizeof tag, "\"%llx-%llx-%llx%s%s\"", (unsigned long long)st->st_mtim.tv_sec,
           (unsigned long long)st->st_mtim.tv_nsec, (unsigned long long)st->st_size,
           file->coding ? "-" : "", file->coding ? file->coding : "");
  http_date(st->st_mtim.tv_sec, date);
  struct MHD_Response *r =
    is_unchanged(c, tag, date) ? without_bytes(file->fd) : with_bytes(c, file, tag, date, &status);
  if (!r) return MHD_NO;
  MHD_add_response_header(r, "ETag", tag);
  MHD_add_response_header(r, "Last-Modified", date);
  MHD_add_response_header(r, "Accept-Ranges", "bytes");
  if (file->varies) MHD_add_response_header(r, "Vary", "Accept-Encoding");
  if (status == 200 || status == 206) {
    MHD_add_response_header(r, "Content-Type", type_of(file->path));
    if (file->coding) MHD_add_response_header(r, "Content-Encoding", file->coding);
  }
  return pml__web_finish(a, c, status, r);
}
