#include "speed_parts.h"

enum { REFERENCE = QB_SPEED_REFERENCE, VARIANT = QB_SPEED_VARIANT, SELF = QB_SPEED_SELF };

const int qb_speed_orders[6][QB_SPEED_ARMS] = {{REFERENCE, VARIANT, SELF}, {SELF, VARIANT, REFERENCE},
                                               {VARIANT, SELF, REFERENCE}, {REFERENCE, SELF, VARIANT},
                                               {SELF, REFERENCE, VARIANT}, {VARIANT, REFERENCE, SELF}};
