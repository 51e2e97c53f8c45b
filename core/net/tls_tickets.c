#include "net/tls_tickets.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

typedef struct {
  uint8_t name[16], aes[32], mac[32];
  uint64_t made_ms;
  int there;
} key;

struct pml_tls_tickets {
  _Atomic uint32_t refs;
  pthread_mutex_t lock;
  key v[2]; /* the newest, the one before */
};

pml_tls_tickets *pml_tls_tickets_new(void) {
  pml_tls_tickets *t = pml_alloc0(sizeof *t);
  atomic_init(&t->refs, 1);
  pthread_mutex_init(&t->lock, NULL);
  return t;
}

pml_tls_tickets *pml_tls_tickets_ref(pml_tls_tickets *t) {
  atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
  return t;
}

void pml_tls_tickets_unref(pml_tls_tickets *t) {
  if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1) return;
  pthread_mutex_destroy(&t->lock);
  OPENSSL_cleanse(t, sizeof *t);
  pml_free(t);
}

static uint64_t age(const key *k, uint64_t now) { return now > k->made_ms ? now - k->made_ms : 0; }

/* Locked. Keys that are too old go. */
static void expire(pml_tls_tickets *t, uint64_t now) {
  for (int i = 0; i < 2; i++)
    if (t->v[i].there && age(&t->v[i], now) >= 2 * (uint64_t)PML_TLS_TICKET_MS)
      OPENSSL_cleanse(&t->v[i], sizeof t->v[i]);
}

/* Locked. The key that seals now, or NULL: there are no random bytes. */
static const key *newest(pml_tls_tickets *t, uint64_t now) {
  expire(t, now);
  if (t->v[0].there && age(&t->v[0], now) < PML_TLS_TICKET_MS) return &t->v[0];
  key fresh = {.made_ms = now, .there = 1};
  if (pml_random(fresh.name, sizeof fresh.name) || pml_random(fresh.aes, sizeof fresh.aes) ||
      pml_random(fresh.mac, sizeof fresh.mac))
    return NULL;
  if (t->v[0].there) t->v[1] = t->v[0];
  t->v[0] = fresh;
  OPENSSL_cleanse(&fresh, sizeof fresh);
  return &t->v[0];
}

/* Locked. */
static const key *named(pml_tls_tickets *t, uint64_t now, const uint8_t name[16]) {
  expire(t, now);
  for (int i = 0; i < 2; i++)
    if (t->v[i].there && memcmp(t->v[i].name, name, sizeof t->v[i].name) == 0) return &t->v[i];
  return NULL;
}

int pml_tls_tickets_newest(pml_tls_tickets *t, uint64_t now_ms, uint8_t name[16]) {
  pthread_mutex_lock(&t->lock);
  const key *k = newest(t, now_ms);
  if (k) memcpy(name, k->name, sizeof k->name);
  pthread_mutex_unlock(&t->lock);
  return k ? 0 : PML_EIO;
}

static int acceptance(const pml_tls_tickets *t, const key *k, uint64_t now) {
  if (!k) return 0;
  return k == &t->v[0] && age(k, now) < PML_TLS_TICKET_MS ? 1 : 2;
}

int pml_tls_tickets_accepts(pml_tls_tickets *t, uint64_t now_ms, const uint8_t name[16]) {
  pthread_mutex_lock(&t->lock);
  int answer = acceptance(t, named(t, now_ms, name), now_ms);
  pthread_mutex_unlock(&t->lock);
  return answer;
}

static int set_mac(EVP_MAC_CTX *mac, const key *k) {
  OSSL_PARAM params[] = {
    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)k->mac, sizeof k->mac),
    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
    OSSL_PARAM_construct_end(),
  };
  return EVP_MAC_CTX_set_params(mac, params);
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): -1 an error, 0 no ticket, 1 done, 2 done and a new
 * ticket is due. */
static int on_ticket(SSL *s, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seals) {
  pml_tls_tickets *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(s));
  uint64_t now = pml_clock_ms();
  key k = {0};
  pthread_mutex_lock(&t->lock);
  const key *found = seals ? newest(t, now) : named(t, now, name);
  int answer = seals ? found != NULL : acceptance(t, found, now);
  if (found) k = *found;
  pthread_mutex_unlock(&t->lock);
  if (answer) {
    int ok;
    if (seals) {
      memcpy(name, k.name, sizeof k.name);
      ok = RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
           EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.aes, iv);
    } else {
      ok = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.aes, iv);
    }
    if (!ok || !set_mac(mac, &k)) answer = -1;
  }
  OPENSSL_cleanse(&k, sizeof k);
  return answer;
}

void pml_tls_tickets_use(pml_tls_tickets *t, SSL_CTX *ctx) {
  SSL_CTX_set_app_data(ctx, t);
  SSL_CTX_set_timeout(ctx, PML_TLS_TICKET_MS / 1000);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
