/* An SVG file that gnuplot drew, made fit to stand inside an HTML page. */
#ifndef QB_SVG_INLINE_H
#define QB_SVG_INLINE_H

#include "base/error.h"
#include "base/text.h"

/* Appends the <svg> element of `svg` with every id (and every reference to one) prefixed by `prefix`, so that several
 * pictures share a page; without prolog, fixed size and gnuplot's own titles; black turned into currentColor, white
 * into var(--paper), light greys into var(--rule), so that it follows the page's colours. `label` becomes its
 * accessible name. Whatever could run or load something (script, foreignObject, image, event handlers, links other than
 * "#id") is QB_ERR_INPUT, as is a text that holds no <svg>. */
enum qb_status qb_svg_inline(const char *svg, const char *prefix, const char *label, struct qb_text *out,
                             struct qb_error *err);

#endif
