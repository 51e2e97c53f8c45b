/* json_number: the text of a number in JSON, which is also that of a number as a key or a uid:
 * whole numbers to 2^53 without an exponent, others as the shortest text that reads back. The
 * locale does not matter. */
#ifndef PML_BASE_JSON_NUMBER_H
#define PML_BASE_JSON_NUMBER_H

#define PML_JSON_NUMBER_MAX 32 /* bytes of the longest text, with its NUL */

/* Returns the length of the text, 0 when d is not finite; the text is not terminated. */
int pml_json_number(double d, char out[PML_JSON_NUMBER_MAX]);

#endif
