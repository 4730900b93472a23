/* Questions with choices, read from files. */
#ifndef QB_QUESTION_FILES_H
#define QB_QUESTION_FILES_H

#include "base/hash.h"
#include "run/questions.h"

#define QB_QUESTION_FILE_MAX ((size_t)64 << 20)

/* Appends what is at path: a file, or a folder's files *.jsonl and *.csv in the order of their names. All bytes read go
 * into `hash`.
 *   *.csv   RFC 4180. The first row names the columns where it has `question` and `answer`: these, the choices A, B,
 * ..., and `subject`; others are ignored. Else a row is question, choices, answer. The answer is a letter. Without a
 * column `subject` it is the file's name without .csv and without _test, _dev, _val, _validation or _train; none where
 * nothing else is left of the name. others  JSON lines, {"question": text, "choices": [text, ...], "answer": index from
 * 0 or letter, "subject": text}; the last may be missing, other keys are ignored; blank lines are. What is malformed is
 * QB_ERR_INPUT by file and line. After a failure the caller frees what was read. */
enum qb_status qb_questions_read(const char *path, struct qb_questions *out, struct qb_hash *hash,
                                 struct qb_error *err);

#endif
