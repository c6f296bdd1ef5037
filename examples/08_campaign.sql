/*
 * 08_campaign.sql
 *    A reminder to many people, without a trigger: check first, then enqueue.
 */
\encoding UTF8

CREATE TABLE reminder (
    notice_number text PRIMARY KEY REFERENCES notice,
    subject       text NOT NULL,
    markdown      text NOT NULL
);

-- Debtors of the school canteen whose notice was delivered.
INSERT INTO reminder
SELECT n.notice_number, 'Promemoria: mensa scolastica',
       format(E'Gentile %s,\n\nle ricordiamo l''avviso %s con scadenza il %s.\n\n'
              'Se ha già pagato, non tenga conto di questo messaggio.',
              n.debtor, n.notice_number, to_char(n.due_date, 'DD/MM/YYYY'))
  FROM notice AS n
  JOIN io_msg.message AS m ON m.reference = n.notice_number
 WHERE n.service = 'mensa' AND m.io_status = 'PROCESSED';

-- Everything that would be refused, at once: clean the table until this is empty.
SELECT r.notice_number, p.field, p.problem
  FROM reminder AS r
  JOIN notice AS n USING (notice_number)
 CROSS JOIN LATERAL io_validate_message(n.fiscal_code, r.subject, r.markdown,
                                        service => n.service) AS p;

-- Low priority (4), from tomorrow at nine, and no longer after the due date.
SELECT count(io_enqueue_message(
           n.fiscal_code, r.subject, r.markdown,
           service    => n.service,
           reference  => n.notice_number,
           dedup_key  => 'reminder ' || n.notice_number,
           lot        => 'reminders of the canteen',
           priority   => 4,
           send_after => (CURRENT_DATE + 1 + TIME '09:00') AT TIME ZONE 'Europe/Rome',
           expires_at => greatest((n.due_date + 1)::timestamp AT TIME ZONE 'Europe/Rome',
                                  now() + interval '30 days'))) AS enqueued
  FROM reminder AS r
  JOIN notice AS n USING (notice_number);

-- Still time to think again.
SELECT io_cancel_lot('reminders of the canteen', reason => 'already paid at the counter');
