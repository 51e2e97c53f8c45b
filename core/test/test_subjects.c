#include "bus/subjects.h"

#include "base/err.h"
#include "test/test.h"

#define ME "0123456789abcdef0123456789abcdef"
#define IT "fedcba9876543210fedcba9876543210"

TEST(subjects_are_read_as_they_were_written) {
  pml__subjects s;
  pml__subject out;
  char who[PML_SERVER_ID_MAX + 1];
  CHECK_EQ(pml__subjects_init(&s, "my chat.production", ME), 0);
  pml__subject_all(&s, out);
  CHECK_STR(out, "pml.my=20chat=2Eproduction.all");
  CHECK_EQ(pml__subject_read(&s, out, who), PML__ON_ALL);
  pml__subject_id(&s, "chat.*>1", out);
  CHECK_STR(out, "pml.my=20chat=2Eproduction.id.chat=2E=2A=3E1");
  CHECK_EQ(pml__subject_read(&s, out, who), PML__ON_ID);
  static const pml__subject_kind kinds[] = {PML__ON_RECORDS, PML__ON_CONTROL, PML__ON_QUESTION,
                                            PML__ON_ANSWER};
  for (int i = 0; i < 4; i++) {
    pml__subject_process(&s, ME, "rcqa"[i], out);
    CHECK_EQ(pml__subject_read(&s, out, who), kinds[i]);
  }
  pml__subject_process(&s, IT, 'r', out);
  CHECK_EQ(pml__subject_read(&s, out, who), PML__ON_NOTHING); /* another process's */
  pml__subject_no_process(&s, IT, out);
  CHECK_EQ(pml__subject_read(&s, out, who), PML__ON_NO_PROCESS);
  CHECK_STR(who, IT);
  pml__subject_no_holder(&s, "chat =1", out);
  CHECK_EQ(pml__subject_read(&s, out, who), PML__ON_NO_HOLDER);
  CHECK_STR(who, "chat =1");
}

TEST(subjects_of_others_are_nothing) {
  static const char *const bad[] = {
    "pml.chat.al",
    "pml.chat.alle",
    "pml.other.all",
    "pml.chat.p." ME,
    "pml.chat.p." ME ".",
    "pml.chat.p." ME ".x",
    "pml.chat.p." ME ".rr",
    "pml.chat.p." ME ".n.",
    "pml.chat.p." ME ".n.abc",
    "pml.chat.p." ME ".n.id.",
    "pml.chat.p." ME ".n.id.a=",
    "pml.chat.p." ME ".n.id.a=4",
    "pml.chat.p." ME ".n.id.1234567890123456789012345678901234567890123456789012345678901234",
    "",
  };
  pml__subjects s;
  char who[PML_SERVER_ID_MAX + 1];
  CHECK_EQ(pml__subjects_init(&s, "chat", ME), 0);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK_EQ(pml__subject_read(&s, bad[i], who), PML__ON_NOTHING);
}

TEST(subjects_need_the_name_of_a_cluster) {
  pml__subjects s;
  char name[PML__CLUSTER_MAX + 2] = "";
  CHECK_EQ(pml__subjects_init(&s, "", ME), PML_EINVAL);
  memset(name, '.', PML__CLUSTER_MAX);
  CHECK_EQ(pml__subjects_init(&s, name, ME), 0);
  CHECK_EQ(strlen(s.prefix), 4 + 3 * PML__CLUSTER_MAX + 1);
  name[PML__CLUSTER_MAX] = 'x';
  CHECK_EQ(pml__subjects_init(&s, name, ME), PML_EINVAL);
}
