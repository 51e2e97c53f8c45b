#include "host/web_path.h"

#include "base/mem.h"
#include "host/web_file.h"
#include "wire/http_fields.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "/a/b", "/a/" or "/": every part between slashes has a name, and none starts
 * with a dot, which leaves out "..", "." and hidden files at once. */
static int path_is_plain(const char *path) {
  if (*path != '/') return 0;
  for (const char *p = path; *p; p++) {
    if (*p == '/' && (p[1] == '/' || p[1] == '.')) return 0;
  }
  return 1;
}

/* Opens what path names below the root. Returns the file, or -1; *real is where it lies. */
static int open_below(const char *root, const char *path, char real[PATH_MAX]) {
  char full[PATH_MAX];
  size_t n = strlen(root);
  if (!path_is_plain(path)) return -1;
  if ((size_t)snprintf(full, sizeof full, "%s%s", root, path) >= sizeof full) return -1;
  if (!realpath(full, real)) return -1;
  /* Symbolic links were followed: their target must be inside as well, and not hidden. */
  if (strncmp(real, root, n) != 0 || (real[n] && !path_is_plain(real + n))) return -1;
  return open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* A folder without its slash: relative links in its index need that. */
static enum MHD_Result answer_moved(const pml__web_answers *a, struct MHD_Connection *c,
                                    const char *path) {
  static const char hex[] = "0123456789ABCDEF";
  size_t n = strlen(path), k = 0;
  char *to = pml_alloc(3 * n + 2);
  for (size_t i = 0; i < n; i++) {
    unsigned char b = (unsigned char)path[i];
    if ((b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') ||
        strchr("/-._~", b)) {
      to[k++] = (char)b;
    } else { /* the path came decoded; a line break must not reach the header */
      to[k++] = '%';
      to[k++] = hex[b >> 4];
      to[k++] = hex[b & 15];
    }
  }
  to[k++] = '/';
  to[k] = 0;
  struct MHD_Response *r = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
  if (r) MHD_add_response_header(r, "Location", to);
  pml_free(to);
  return pml__web_finish(a, c, 301, r);
}

/* Opens the file whose name is path and one more ending, unless it is older than the file. */
static int open_variant(const char *root, const char *path, const char *ending,
                        const struct stat *file, struct stat *st) {
  char name[PATH_MAX], real[PATH_MAX];
  if ((size_t)snprintf(name, sizeof name, "%s%s", path + strlen(root), ending) >= sizeof name)
    return -1;
  int fd = open_below(root, name, real);
  if (fd < 0) return -1;
  if (!fstat(fd, st) && S_ISREG(st->st_mode) && st->st_mtim.tv_sec >= file->st_mtim.tv_sec)
    return fd;
  close(fd);
  return -1;
}

/* The file, or its packed copy "FILE.br" or "FILE.gz" when the client prefers that. Takes fd. */
static enum MHD_Result answer_file(const pml__web_answers *a, const char *root,
                                   struct MHD_Connection *c, int fd, const struct stat *st,
                                   const char *path) {
  static const char *const codings[][2] = {{".br", "br"}, {".gz", "gzip"}};
  const char *accepted = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept-Encoding");
  pml__web_file file = {.fd = fd, .st = *st, .path = path};
  int best = 0;
  for (size_t i = 0; i < sizeof codings / sizeof *codings; i++) {
    struct stat variant;
    int other = open_variant(root, path, codings[i][0], st, &variant);
    if (other < 0) continue;
    file.varies = 1;
    int weight = pml_http_accepts(accepted, codings[i][1]);
    int drop = other;
    if (weight > best) {
      best = weight;
      drop = file.fd;
      file.fd = other;
      file.st = variant;
      file.coding = codings[i][1];
    }
    close(drop);
  }
  return pml__web_answer_file(a, c, &file);
}

enum MHD_Result pml__web_answer_path(const pml__web_answers *a, const char *root,
                                     struct MHD_Connection *c, const char *path, unsigned *status) {
  char real[PATH_MAX], index[PATH_MAX];
  struct stat st;
  int fd = open_below(root, path, real);
  int slash = path[0] && path[strlen(path) - 1] == '/';
  if (fd >= 0 && !fstat(fd, &st) && S_ISDIR(st.st_mode)) {
    close(fd);
    if (!slash) return answer_moved(a, c, path);
    if ((size_t)snprintf(index, sizeof index, "%sindex.html", path) >= sizeof index) {
      return pml__web_answer_page(a, c, *status = 404);
    }
    fd = open_below(root, index, real);
    slash = 0;
  }
  if (fd >= 0 && !slash && !fstat(fd, &st) && S_ISREG(st.st_mode)) {
    return answer_file(a, root, c, fd, &st, real);
  }
  if (fd >= 0) close(fd);
  return pml__web_answer_page(a, c, *status = 404);
}
