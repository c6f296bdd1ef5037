/*
 * 03_trigger.sql
 *    A notice that is inserted becomes a message on IO: in the same
 *    transaction, so that either both exist or neither.
 *
 * No personal data in the subject: it shows on locked screens.
 */
\encoding UTF8

CREATE FUNCTION notice_to_io() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM io_enqueue_message(
        service      => NEW.service,
        fiscal_code  => NEW.fiscal_code,
        subject      => CASE NEW.service
                            WHEN 'tari'  THEN 'Avviso di pagamento TARI'
                            WHEN 'multe' THEN 'Avviso di pagamento: Codice della Strada'
                            WHEN 'mensa' THEN 'Avviso di pagamento: mensa scolastica'
                        END,
        markdown     => format(E'Gentile %s,\n\nè disponibile un avviso di pagamento:\n\n'
                               '- **%s**\n- importo: **%s €**\n- scadenza: **%s**\n\n'
                               'Può pagarlo direttamente da questo messaggio.',
                               NEW.debtor, NEW.description,
                               translate(to_char(NEW.amount / 100.0, 'FM9,999,990.00'), ',.', '.,'),
                               to_char(NEW.due_date, 'DD/MM/YYYY')),
        payment_data => io_payment_data(amount => NEW.amount, notice_number => NEW.notice_number),
        due_date     => NEW.due_date,             -- the end of that day, in Italy
        reference    => NEW.notice_number,        -- finds the message again
        dedup_key    => NEW.notice_number,        -- a notice is never enqueued twice
        lot          => to_char(NEW.due_date, 'YYYY-MM'));
    RETURN NULL;
END
$$;

-- Companies have a code of 11 digits and are not on IO: they get paper.
CREATE TRIGGER notice_to_io
    AFTER INSERT ON notice
    FOR EACH ROW
    WHEN (length(NEW.fiscal_code) = 16)
    EXECUTE FUNCTION notice_to_io();
