/* Numbers of a baseline. */
#include "gate/json_write.h"

#include <math.h>

#include "base/text_format.h"

void qb_gate_json_number(struct qb_text *out, double value, bool there)
{
    if (there && value == 0 && signbit(value)) /* "-0" would read back as the integer 0 */
        qb_text_add(out, "-0.0");
    else
        qb_json_number(out, value, there);
}
