/* jwt_keys: keys of tests, which are public: those of the examples of RFC 7515 (A.1 to A.3), RFC
 * 7520 (3.3) and RFC 8037 (A.1), and some that are to be refused. */
#ifndef PML_TEST_JWT_KEYS_H
#define PML_TEST_JWT_KEYS_H

/* RFC 7515, A.1: the secret's bytes */
#define KEY_SECRET \
  "\x03\x23\x35\x4b\x2b\x0f\xa5\xbc\x83\x7e\x06\x65\x77\x7b\xa6\x8f\x5a\xb3\x28\xe6" \
  "\xf0\x54\xc9\x28\xa9\x0f\x84\xb2\xd2\x50\x2e\xbf\xd3\xfb\x5a\x92\xd2\x06\x47\xef" \
  "\x96\x8a\xb4\xc3\x77\x62\x3d\x22\x3d\x2e\x21\x72\x05\x2e\x4f\x08\xc0\xcd\x9a\xf5" \
  "\x67\xd0\x80\xa3"
#define KEY_SECRET_BYTES 64

/* RFC 7515, A.2 */
#define KEY_RSA \
  "-----BEGIN PRIVATE KEY-----\n" \
  "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCh+BYK4uPJtGXO\n" \
  "jS1lYmM2K5J9vinh8CR3/BYlzJChNuOL2TSXxbbqY913EeZ8dCn5VrD7io8ImtxL\n" \
  "aYk8wTM/U+3QGbh3hCUv7JFP5IV3aVlL6kKA0ywPVb9ilE8TA5a8bpvfbr3SvaNn\n" \
  "juygxmj3AbONv/s4yDQs4v5tJ/reSlpIdJed1LnPmt7Ex1sFhSwsD174pcF1A5L5\n" \
  "ROjtZMEQxrZHYJqkeDrrnGya11UxMFBji4NmXG9veoKjlnAqH2QbgtPr8jkiGUkf\n" \
  "toaHLFcW9Qr4NY2ai50Xw0Byj3+H2JoY2PyrZ62EWQwuz3WTOTY8BwNNb2BvniHg\n" \
  "VFbK5emhAgMBAAECggEAEq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyW\n" \
  "PEAeP88vLNO97IjlA7/GQ5sLKMgvfTeXZx9SE+7YwVol2NXOoAJe46sui395IW/G\n" \
  "O+pWJ1O0BkTGoVEn2bKVRUCgu+GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzj\n" \
  "kn439X0M/V51gfpRLI9JYanrC4D4qAdGcopV/0ZHHzQlBjudU2QvXt4ehNYTCBr6\n" \
  "XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl/x/jTj3ccPDVZFD9pIuhLhBOneufuBiB\n" \
  "4cS98l2SR/RQyGWSeWjnczT0QU91p1DhOVRuOopznQKBgQDgHMQQ60imZV1URk0K\n" \
  "pLttoLhyt3SmqdEf/kgHePDdtzEafpAu+cS191R2JiuoF2yzWXnwFDcqGigp5BNr\n" \
  "0AHQfD8/Lk8l1Mk09jxxCfui5nYooNyac8YFjm3vItzVCVDnEd3BbVWG8qf6deqE\n" \
  "lMGAg+C2V0L4oNXnP7LZcPAZRwKBgQC5A8R+CZW2MvRTLLHzwZkUXV866cff7tx6\n" \
  "kqa0finGG0KgeqlaZPxgCZnFp7AeAcCMtiynVlJ7vMVgePsLq6XtON4tB5kP9jAP\n" \
  "rq3rbAOal78eUH5OcED6eNuCV8ixEu1eWcPNCS/l1OW1EnXUEoEHKl54Xrrz2uNw\n" \
  "kgMTP1FZ1wKBgAcCn1dwJKufzBWQxWQp1vsM5fggqPN1qGb5y0MAk3g7/Ls5bkUp\n" \
  "5u9SN0Ai3Ya6hNnvWJMb7sXQX6U/zyO2M/hTip7tUeh7CXgwo59dkpN75gJLVds2\n" \
  "9+DAncu3KXU4f2Fa+7bLNrur53k8KwPOq2bbuTG69QtV7Jr5MR0AHWKNAoGBAIf/\n" \
  "evpitUf+4JYbLpvNXWcY052Mpz22aR84mY3nh3F2LF2mjMJDpTg7FmuyPcVw6EcG\n" \
  "yoAe9fa65iNqCq+jdw6PVNGo2hxfjSiZ8IIzHdsPXI89//pMjZcQK9r+CCoRjaZj\n" \
  "OYiIDktVWZzmevJuv6WywUqd57LE3Zar3dLSIkx1AoGAIYd7DHOhrWvxkwPQsRM2\n" \
  "tOgrjbcrfvtQJipd+DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd/QJQ3\n" \
  "ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp/gh6A56\n" \
  "03k2+ZQwVK0JKSHuLFkuQ3U=\n" \
  "-----END PRIVATE KEY-----\n"

#define KEY_RSA_PUBLIC \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJj\n" \
  "NiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEz\n" \
  "P1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo\n" \
  "9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTB\n" \
  "EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxX\n" \
  "FvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp\n" \
  "oQIDAQAB\n" \
  "-----END PUBLIC KEY-----\n"

/* RFC 7515, A.3 */
#define KEY_EC \
  "-----BEGIN PRIVATE KEY-----\n" \
  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n" \
  "H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n" \
  "7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n" \
  "-----END PRIVATE KEY-----\n"

#define KEY_EC_PUBLIC \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n" \
  "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n" \
  "-----END PUBLIC KEY-----\n"

/* RFC 8037, A.1 */
#define KEY_ED \
  "-----BEGIN PRIVATE KEY-----\n" \
  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" \
  "-----END PRIVATE KEY-----\n"

#define KEY_ED_PUBLIC \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n" \
  "-----END PUBLIC KEY-----\n"

/* RFC 7520, 3.3 */
#define KEY_COOKBOOK_PUBLIC \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAn4EPtAOCc9AlkeQHPzHS\n" \
  "tgAbgs7bTZLwUBZdR8/KuKPEHLd4rHVTeT+O+XV2jRojdNhxJWTDvNd7nqQ0VEiZ\n" \
  "QHz/AJmSCpMaJMRBSFKrKb2wqVwGU/NsYOYL+QtiWN2lbzcEe6XC0dApr5ydQLrH\n" \
  "qkHHig3RBordaZ6Aj+oBHqFEHYpPe7Tpe+OfVfHd1E6cS6M1FZcD1NNLYD5lFHpP\n" \
  "I9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3+tVTU4fg/3L/vniUFAKw\n" \
  "uCLqKnS2BYwdq/mzSnbLY7h/qixoR7jig3//kRhuaxwUkRz5iaiQkqgc5gHdrNP5\n" \
  "zwIDAQAB\n" \
  "-----END PUBLIC KEY-----\n"

/* keys that are refused */
#define KEY_RSA_1024 \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCnPP98tyqnDh/vF4/o29YTCEIr\n" \
  "h5DQ5FizdocKv4wociQtlEt/OUCFWQ427DxppvCqOOU5iw9ZKbCVC1IYknhIH7KD\n" \
  "H5XPxCKTrTuV0KRB2TXQUi3s/Z/6ph69jHQKyDBil4FQuVswyBK4RTQjbRSeKQiW\n" \
  "XkfUzrizoLwyEg+3DQIDAQAB\n" \
  "-----END PUBLIC KEY-----\n"

#define KEY_P384 \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEXEL5CtJ9i2RYZGtqYe2sVWbbnBcK81te\n" \
  "E6LJvFXDscc7PyJPCcPorI/MKGajbDEHshTjo08QcjEpbdYvcojok2Cl0rWUzEcl\n" \
  "iwBMOHogAwMb6jLgMUH/5T96yoMcIFaD\n" \
  "-----END PUBLIC KEY-----\n"

#define KEY_K256 \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEHZbJ8fTha+rYDIKG34QxviwomEzqzWxS\n" \
  "Icoiny3wk4mn5bu5DCZg1zpjFc0fPJFZ9Cd/GUfDb/BlGeBXyRcq9g==\n" \
  "-----END PUBLIC KEY-----\n"

#define KEY_X25519 \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MCowBQYDK2VuAyEAF2NX3k2uAR/ipajEErnmgYsstSWIKvcE6gtKwL/faXQ=\n" \
  "-----END PUBLIC KEY-----\n"

#define KEY_ENCRYPTED \
  "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" \
  "MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBAgupgzCdL4wEcE7awA\n" \
  "623mAgIIADAMBggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQdSyQBvfvAxA5YyqX\n" \
  "mZhfbgRA75rBfzyD+Uyc74kzkru2yo4s6rCNvN1BImzCUuzNGywuc/qNRIPBMbD2\n" \
  "JH8hTYaw6tomDiVVWrNm00Fi7e3vdg==\n" \
  "-----END ENCRYPTED PRIVATE KEY-----\n"

#endif
