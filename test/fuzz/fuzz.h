/*
 * fuzz.h
 *		What the fuzz targets share: taking an input apart, and asserting.
 *
 * A target reads values from the input one after another; where it has ended,
 * all that follows is 0 and "".  MUST ends the program where a promise is
 * broken, which libFuzzer takes for a crash and keeps the input of.
 */
#ifndef IOMSG_FUZZ_H
#define IOMSG_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(promise) \
	do { \
		if (!(promise)) \
		{ \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, \
					#promise); \
			abort(); \
		} \
	} while (0)

typedef struct Input
{
	const uint8_t *bytes;
	size_t		left;
} Input;

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next byte. */
__attribute__((unused))
static uint8_t
take_byte(Input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->bytes++;
}

/* The next number of so many bytes, the lowest first. */
__attribute__((unused))
static uint64_t
take_number(Input *input, int bytes)
{
	uint64_t	number = 0;

	for (int i = 0; i < bytes; i++)
		number |= (uint64_t) take_byte(input) << (8 * i);
	return number;
}

/*
 * The next text, up to a newline, in memory of exactly its size that the
 * caller frees: a read past its end is found.
 */
__attribute__((unused))
static char *
take_text(Input *input)
{
	size_t		length = 0;
	char	   *text;

	while (length < input->left && input->bytes[length] != '\n' &&
		   input->bytes[length] != '\0')
		length++;
	text = malloc(length + 1);
	MUST(text != NULL);
	if (length > 0)
		memcpy(text, input->bytes, length);
	text[length] = '\0';
	input->bytes += length;
	input->left -= length;
	(void) take_byte(input);
	return text;
}

/*
 * Maps bytes onto an alphabet, so that random ones come near the forms that
 * are looked for: in memory of exactly that size, which the caller frees.
 */
__attribute__((unused))
static char *
map_bytes(const uint8_t *bytes, size_t size, const char *alphabet)
{
	char	   *text = malloc(size + 1);

	MUST(text != NULL);
	for (size_t i = 0; i < size; i++)
		text[i] = alphabet[bytes[i] % strlen(alphabet)];
	text[size] = '\0';
	return text;
}

#endif							/* IOMSG_FUZZ_H */
