/* QB_SANITIZED: 1 under AddressSanitizer or ThreadSanitizer, which end the process where the system would refuse. */
#ifndef QB_TEST_SANITIZED_H
#define QB_TEST_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define QB_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define QB_SANITIZED 1
#endif
#endif
#ifndef QB_SANITIZED
#define QB_SANITIZED 0
#endif

#endif
