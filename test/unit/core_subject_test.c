/*
 * core_subject_test.c
 *		Subjects with and without personal data.
 */
#include "subject.h"
#include "tap.h"

#define F	IOMSG_SUBJECT_FISCAL_CODE
#define E	IOMSG_SUBJECT_EMAIL
#define I	IOMSG_SUBJECT_IBAN
#define T	IOMSG_SUBJECT_TELEPHONE

static const struct
{
	const char *text;
	unsigned int want;
}			cases[] = {
	/* subjects as offices write them */
	{"", 0},
	{"Avviso TARI 2026", 0},
	{"Avviso di pagamento 302000000000000012", 0},
	{"Avviso 3020 0000 0000 0000 12", 0},
	{"Codice avviso 001234567890123456 da pagare", 0},
	{"Rata 1 di 3, scadenza 16/12/2026", 0},
	{"Scadenza 01/02/2026 10.30", 0},
	{"Scadenza 01-02-2026 ore 10:30", 0},
	{"Dal 01.02.2026 al 03.02.2026", 0},
	{"Appuntamento del 2026-02-01 10.30", 0},
	{"Appuntamento 01 02 2026", 0},
	{"Importo 1.234.567,89 euro", 0},
	{"Importo 3.471.234.567 euro", 0},
	{"Euro 120,50 da pagare", 0},
	{"Prot. 0123456/2026", 0},
	{"Prot. 3471234567/2026", 0},
	{"Pratica 0432/2026 del 2025", 0},
	{"Partita IVA 01234567890", 0},
	{"Numero verde 800 123456", 0},
	{"TARI 2024 2025 2026", 0},
	{"Targa AB123CD, verbale 12345678", 0},
	{"Codice A3471234567", 0},
	{"Codice 3471234567B", 0},
	{"Codice 0012345678", 0},
	{"Codice 30012345678", 0},
	{"Codice 9 8 7 6 5 4 3 2 1 0 1 2", 0},
	{"Rate 06/2026 e 07/2026", 0},
	{"Aumento +10 euro", 0},
	{"Articolo 39 00391", 0},
	{"Seguici su @ComuneDiRoma e @ altro", 0},
	{"Biglietti a 5@euro", 0},
	{"@", 0},

	/* e-mail */
	{"Scrivere a mario.rossi@comune.roma.it", E},
	{"Scrivere a <mario@comune.it>.", E},
	{"m\xC3\xA8@comune.it", E},
	{"\xC3\xA8@comune.it, grazie", E},
	{"info@comune.it-", E},
	{"x@comune", 0},
	{"\xA8@comune.it", 0},

	/* telephone */
	{"Chiamare 3471234567", T},
	{"Chiamare 347 1234567", T},
	{"Chiamare 347 12 34 567", T},
	{"Chiamare 347-123-4567", T},
	{"Chiamare 347.1234567.", T},
	{"Chiamare 347/1234567", T},
	{"Chiamare 347 - 1234567", T},
	{"Chiamare +393471234567", T},
	{"Chiamare +39 347 1234567", T},
	{"Chiamare 0039 347 1234567", T},
	{"Chiamare 00393471234567", T},
	{"Chiamare 0039 06 12345678", T},
	{"Chiamare (06) 12345678", T},
	{"Chiamare 06/12345678", T},
	{"Chiamare 06 1234 5678", T},
	{"Chiamare 06 123456", T},
	{"Chiamare 0612345678", T},
	{"Chiamare 0432-123456", T},
	{"Chiamare 011 123 4567", T},
	{"Chiamare +33 6 12 34 56 78", T},
	{"Il 01/02/2026 347 1234567", T},
	{"2026-02-01 347 1234567", T},
	{"Anno 2026 3471234567", T},
	{"Avviso 302000000000000012 3471234567", T},
	{"3471234567", T},
	{"Chiamare 06 1234", 0},
	{"Chiamare 061234", 0},
	{"Chiamare 347 123456", 0},
	{"Chiamare +39 347", 0},
	{"Chiamare 0039 347", 0},

	/* IBAN */
	{"IBAN IT60X0542811101000000123456", I},
	{"iban it60x0542811101000000123456", I},
	{"IBAN IT60 X054 2811 1010 0000 0123 456 ok", I},
	{"IBAN IT 60 X 05428 11101 000000123456", I},
	{"IBAN SM86U0322509800000000270100", I},
	{"IBAN DE89370400440532013000", I},
	{"IBAN DE89 3704 0044 0532 0130 00", I},
	{"IBAN GB82WEST12345698765432", I},
	{"IBAN NO9386011117947", I},
	{"IBAN DE88370400440532013000", 0},
	{"IBAN GB81WEST12345698765432", 0},
	{"IBAN DE893704004405320130001", 0},
	{"XDE89370400440532013000", 0},
	{"IBAN IT60X05428111010000001234567", 0},
	{"IBAN IT60X054281110100000012345", 0},
	{"IBAN IT60105428111010000001234AB", 0},
	{"IBAN ITAAX0542811101000000123456", 0},
	{"IBAN DEAA370400440532013000", 0},
	{"ZZ89370400440532013000", 0},
	{"IT6", 0},

	/* fiscal codes, and all together */
	{"Avviso per RSSMRA85T10A562S", F},
	{"rssmra85t10a562s a@b.it IT60X0542811101000000123456 3471234567",
	F | E | I | T},
};

static void
check_random(void)
{
	static const char alphabet[] = "0123456789 3+/-.(@aIT\xC3\xA8";
	uint64_t	seed = 5;
	unsigned int seen = 0;

	for (int i = 0; i < 200000; i++)
	{
		char		text[64];
		size_t		len = tap_random(&seed) % sizeof(text);

		for (size_t k = 0; k < len; k++)
			text[k] = alphabet[tap_random(&seed) % (sizeof(alphabet) - 1)];
		seen |= iomsg_subject_find(text, len);
	}
	tap_ok((seen & T) != 0, "200,000 random texts are read without a fault");
}

/* No notice number is taken for a telephone number, however it is grouped. */
static void
check_notice_numbers(void)
{
	uint64_t	seed = 6;
	int			wrong = 0;

	for (int i = 0; i < 100000; i++)
	{
		char		text[64] = "Avviso ";
		size_t		len = strlen(text);
		int			group = i % 2 == 0 ? 18 : 4;

		for (int k = 0; k < 18; k++)
		{
			if (k > 0 && k % group == 0)
				text[len++] = ' ';
			text[len++] = (char) ('0' + tap_random(&seed) %
								  (k == 0 ? 4 : 10));
		}
		if (iomsg_subject_has_telephone(text, len))
			wrong++;
	}
	tap_is_int(wrong, 0, "100,000 notice numbers");
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		tap_is_int(iomsg_subject_find(cases[i].text, strlen(cases[i].text)),
				   cases[i].want, cases[i].text);
	tap_ok(!iomsg_subject_has_telephone("3471234567", 9), "length decides");
	tap_is_int(iomsg_subject_problem(F), PROBLEM_SUBJECT_HAS_FISCAL_CODE, "F");
	tap_is_int(iomsg_subject_problem(E), PROBLEM_SUBJECT_HAS_EMAIL, "E");
	tap_is_int(iomsg_subject_problem(I), PROBLEM_SUBJECT_HAS_IBAN, "I");
	tap_is_int(iomsg_subject_problem(T), PROBLEM_SUBJECT_HAS_TELEPHONE, "T");
	tap_is_int(iomsg_subject_problem(F | E), PROBLEM_NONE, "two bits");
	check_random();
	check_notice_numbers();
	return tap_done();
}
