#include "host/dictionaries.h"

#include "base/mem.h"

#include <pthread.h>

typedef struct entry {
  struct entry *next;
  char *key;
  int building;
  unsigned waiting;  /* threads that have not looked at the outcome */
  pml_dictionary *d; /* NULL while it is being built, or when it could not be */
  char *err;
} entry;

struct pml_dictionaries {
  pthread_mutex_t lock;
  pthread_cond_t built;
  entry *first;
};

static entry **find(pml_dictionaries *all, const char *key) {
  entry **at = &all->first;
  while (*at && strcmp((*at)->key, key) != 0) at = &(*at)->next;
  return at;
}

static void drop(entry **at) {
  entry *e = *at;
  *at = e->next;
  pml_dictionary_unref(e->d);
  pml_free(e->err);
  pml_free(e->key);
  pml_free(e);
}

pml_dictionaries *pml_dictionaries_new(void) {
  pml_dictionaries *all = pml_alloc0(sizeof *all);
  pthread_mutex_init(&all->lock, NULL);
  pthread_cond_init(&all->built, NULL);
  return all;
}

void pml_dictionaries_free(pml_dictionaries *all) {
  if (!all) return;
  while (all->first) drop(&all->first);
  pthread_cond_destroy(&all->built);
  pthread_mutex_destroy(&all->lock);
  pml_free(all);
}

/* Under the lock. An entry that is being waited for stays. */
static int outcome(pml_dictionaries *all, entry *e, pml_dictionary **d, char **err) {
  e->waiting++;
  while (e->building) pthread_cond_wait(&all->built, &all->lock);
  e->waiting--;
  if (e->d) {
    *d = pml_dictionary_ref(e->d);
    return 1;
  }
  *err = pml_strdup(e->err);
  if (!e->waiting) drop(find(all, e->key));
  return 0;
}

int pml_dictionaries_take(pml_dictionaries *all, const char *key, pml_dictionary **d, char **err) {
  int rc = -1;
  pthread_mutex_lock(&all->lock);
  entry *e = *find(all, key);
  if (e) {
    rc = outcome(all, e, d, err);
  } else {
    e = pml_alloc0(sizeof *e);
    e->key = pml_strdup(key);
    e->building = 1;
    e->next = all->first;
    all->first = e;
  }
  pthread_mutex_unlock(&all->lock);
  return rc;
}

void pml_dictionaries_built(pml_dictionaries *all, const char *key, pml_dictionary *d,
                            const char *err) {
  pthread_mutex_lock(&all->lock);
  entry **at = find(all, key), *e = *at;
  e->building = 0;
  e->d = pml_dictionary_ref(d);
  if (!d) e->err = pml_strdup(err);
  if (!d && !e->waiting) drop(at);
  pthread_cond_broadcast(&all->built);
  pthread_mutex_unlock(&all->lock);
}
