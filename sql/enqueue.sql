/*
 * io_msg: the functions that people call to enqueue.
 *
 * The schema is that of CREATE EXTENSION, so that they can be called without
 * one.  Names of parameters are those of IO's API.  due_date has three types:
 * only the first form has a default for it, so that a literal of unknown type
 * or a driver's untyped parameter goes to the text form and no call is
 * ambiguous.  All run with the caller's rights: the library checks what the
 * caller may do and then works as the extension's owner.
 */

CREATE FUNCTION io_enqueue_message(
	fiscal_code text, subject text, markdown text,
	due_date timestamptz DEFAULT NULL, payment_data jsonb DEFAULT NULL,
	third_party_data jsonb DEFAULT NULL,
	require_secure_channels boolean DEFAULT NULL,
	feature_level_type text DEFAULT NULL,
	service text DEFAULT NULL, reference text DEFAULT NULL,
	dedup_key text DEFAULT NULL, lot text DEFAULT NULL,
	priority integer DEFAULT NULL, send_after timestamptz DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL)
	RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'iomsg_api_enqueue_timestamptz';
COMMENT ON FUNCTION io_enqueue_message(text, text, text, timestamptz, jsonb, jsonb, boolean, text, text, text, text, text, integer, timestamptz, timestamptz) IS
'Checks a message and queues it; it is sent after commit. Returns its id in io_msg.message.';
REVOKE ALL ON FUNCTION io_enqueue_message(text, text, text, timestamptz, jsonb, jsonb, boolean, text, text, text, text, text, integer, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION io_enqueue_message(
	fiscal_code text, subject text, markdown text,
	due_date date, payment_data jsonb DEFAULT NULL,
	third_party_data jsonb DEFAULT NULL,
	require_secure_channels boolean DEFAULT NULL,
	feature_level_type text DEFAULT NULL,
	service text DEFAULT NULL, reference text DEFAULT NULL,
	dedup_key text DEFAULT NULL, lot text DEFAULT NULL,
	priority integer DEFAULT NULL, send_after timestamptz DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL)
	RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'iomsg_api_enqueue_date';
COMMENT ON FUNCTION io_enqueue_message(text, text, text, date, jsonb, jsonb, boolean, text, text, text, text, text, integer, timestamptz, timestamptz) IS
'As the form with timestamptz; a date means the end of that day in Italy, 23:59:59.';
REVOKE ALL ON FUNCTION io_enqueue_message(text, text, text, date, jsonb, jsonb, boolean, text, text, text, text, text, integer, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION io_enqueue_message(
	fiscal_code text, subject text, markdown text,
	due_date text, payment_data jsonb DEFAULT NULL,
	third_party_data jsonb DEFAULT NULL,
	require_secure_channels boolean DEFAULT NULL,
	feature_level_type text DEFAULT NULL,
	service text DEFAULT NULL, reference text DEFAULT NULL,
	dedup_key text DEFAULT NULL, lot text DEFAULT NULL,
	priority integer DEFAULT NULL, send_after timestamptz DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL)
	RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'iomsg_api_enqueue_text';
COMMENT ON FUNCTION io_enqueue_message(text, text, text, text, jsonb, jsonb, boolean, text, text, text, text, text, integer, timestamptz, timestamptz) IS
'As the form with timestamptz; the text is YYYY-MM-DD, meaning the end of that day in Italy, or a timestamp with a time zone.';
REVOKE ALL ON FUNCTION io_enqueue_message(text, text, text, text, jsonb, jsonb, boolean, text, text, text, text, text, integer, timestamptz, timestamptz) FROM PUBLIC;

/*
 * payment_data, third_party_data and require_secure_channels stand where the
 * other forms have them: with other types there, a call in which nothing but
 * literals of unknown type is given would fit no form best.
 */
CREATE FUNCTION io_enqueue_message(
	message jsonb,
	service text DEFAULT NULL, reference text DEFAULT NULL,
	dedup_key text DEFAULT NULL, payment_data jsonb DEFAULT NULL,
	third_party_data jsonb DEFAULT NULL,
	require_secure_channels boolean DEFAULT NULL,
	lot text DEFAULT NULL, priority integer DEFAULT NULL,
	send_after timestamptz DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL)
	RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'iomsg_api_enqueue_jsonb';
COMMENT ON FUNCTION io_enqueue_message(jsonb, text, text, text, jsonb, jsonb, boolean, text, integer, timestamptz, timestamptz) IS
'As the other forms, for a message in the JSON form of IO''s API (NewMessage), fiscal_code included. payment_data, third_party_data and require_secure_channels are put into its content, which must not have them.';
REVOKE ALL ON FUNCTION io_enqueue_message(jsonb, text, text, text, jsonb, jsonb, boolean, text, integer, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION io_check_profile(fiscal_code text, service text DEFAULT NULL)
	RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'iomsg_api_check_profile';
COMMENT ON FUNCTION io_check_profile(text, text) IS
'Queues the question whether a person is on IO and wants to hear from the service; the answer comes into io_msg.profile.';
REVOKE ALL ON FUNCTION io_check_profile(text, text) FROM PUBLIC;

CREATE FUNCTION io_validate_message(
	fiscal_code text, subject text, markdown text,
	due_date timestamptz DEFAULT NULL, payment_data jsonb DEFAULT NULL,
	third_party_data jsonb DEFAULT NULL,
	require_secure_channels boolean DEFAULT NULL,
	feature_level_type text DEFAULT NULL,
	service text DEFAULT NULL, reference text DEFAULT NULL,
	dedup_key text DEFAULT NULL, lot text DEFAULT NULL,
	priority integer DEFAULT NULL, send_after timestamptz DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL)
	RETURNS TABLE (field text, code text, problem text)
	LANGUAGE C VOLATILE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'iomsg_api_validate_timestamptz';
COMMENT ON FUNCTION io_validate_message(text, text, text, timestamptz, jsonb, jsonb, boolean, text, text, text, text, text, integer, timestamptz, timestamptz) IS
'All that io_enqueue_message would refuse in a message, one row each, without enqueuing it; no row for a good message.';
REVOKE ALL ON FUNCTION io_validate_message(text, text, text, timestamptz, jsonb, jsonb, boolean, text, text, text, text, text, integer, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION io_validate_message(
	fiscal_code text, subject text, markdown text,
	due_date date, payment_data jsonb DEFAULT NULL,
	third_party_data jsonb DEFAULT NULL,
	require_secure_channels boolean DEFAULT NULL,
	feature_level_type text DEFAULT NULL,
	service text DEFAULT NULL, reference text DEFAULT NULL,
	dedup_key text DEFAULT NULL, lot text DEFAULT NULL,
	priority integer DEFAULT NULL, send_after timestamptz DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL)
	RETURNS TABLE (field text, code text, problem text)
	LANGUAGE C VOLATILE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'iomsg_api_validate_date';
COMMENT ON FUNCTION io_validate_message(text, text, text, date, jsonb, jsonb, boolean, text, text, text, text, text, integer, timestamptz, timestamptz) IS
'As the form with timestamptz; a date means the end of that day in Italy, 23:59:59.';
REVOKE ALL ON FUNCTION io_validate_message(text, text, text, date, jsonb, jsonb, boolean, text, text, text, text, text, integer, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION io_validate_message(
	fiscal_code text, subject text, markdown text,
	due_date text, payment_data jsonb DEFAULT NULL,
	third_party_data jsonb DEFAULT NULL,
	require_secure_channels boolean DEFAULT NULL,
	feature_level_type text DEFAULT NULL,
	service text DEFAULT NULL, reference text DEFAULT NULL,
	dedup_key text DEFAULT NULL, lot text DEFAULT NULL,
	priority integer DEFAULT NULL, send_after timestamptz DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL)
	RETURNS TABLE (field text, code text, problem text)
	LANGUAGE C VOLATILE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'iomsg_api_validate_text';
COMMENT ON FUNCTION io_validate_message(text, text, text, text, jsonb, jsonb, boolean, text, text, text, text, text, integer, timestamptz, timestamptz) IS
'As the form with timestamptz; the text is YYYY-MM-DD, meaning the end of that day in Italy, or a timestamp with a time zone.';
REVOKE ALL ON FUNCTION io_validate_message(text, text, text, text, jsonb, jsonb, boolean, text, text, text, text, text, integer, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION io_validate_message(
	message jsonb,
	service text DEFAULT NULL, reference text DEFAULT NULL,
	dedup_key text DEFAULT NULL, payment_data jsonb DEFAULT NULL,
	third_party_data jsonb DEFAULT NULL,
	require_secure_channels boolean DEFAULT NULL,
	lot text DEFAULT NULL, priority integer DEFAULT NULL,
	send_after timestamptz DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL)
	RETURNS TABLE (field text, code text, problem text)
	LANGUAGE C VOLATILE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'iomsg_api_validate_jsonb';
COMMENT ON FUNCTION io_validate_message(jsonb, text, text, text, jsonb, jsonb, boolean, text, integer, timestamptz, timestamptz) IS
'As the other forms, for a message in the JSON form of IO''s API (NewMessage).';
REVOKE ALL ON FUNCTION io_validate_message(jsonb, text, text, text, jsonb, jsonb, boolean, text, integer, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION io_payment_data(
	amount bigint, notice_number text,
	invalid_after_due_date boolean DEFAULT NULL,
	payee_fiscal_code text DEFAULT NULL)
	RETURNS jsonb LANGUAGE C IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'iomsg_builders_payment_data';
COMMENT ON FUNCTION io_payment_data(bigint, text, boolean, text) IS
'Checks and builds the payment_data of a message: amount in euro cents, notice number of 18 digits.';
REVOKE ALL ON FUNCTION io_payment_data(bigint, text, boolean, text) FROM PUBLIC;

CREATE FUNCTION io_third_party_data(
	id text, configuration_id text,
	has_remote_content boolean DEFAULT NULL,
	has_attachments boolean DEFAULT NULL,
	has_precondition text DEFAULT NULL,
	original_sender text DEFAULT NULL,
	original_receipt_date timestamptz DEFAULT NULL,
	summary text DEFAULT NULL)
	RETURNS jsonb LANGUAGE C IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'iomsg_builders_third_party_data';
COMMENT ON FUNCTION io_third_party_data(text, text, boolean, boolean, text, text, timestamptz, text) IS
'Checks and builds the third_party_data of a message: remote content and attachments.';
REVOKE ALL ON FUNCTION io_third_party_data(text, text, boolean, boolean, text, text, timestamptz, text) FROM PUBLIC;

CREATE FUNCTION io_is_fiscal_code(fiscal_code text, strict boolean DEFAULT false)
	RETURNS boolean LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'iomsg_builders_is_fiscal_code';
COMMENT ON FUNCTION io_is_fiscal_code(text, boolean) IS
'Whether a text, trimmed and in upper case, is a person''s fiscal code as IO takes it; strict also checks the check character and the day of birth.';
REVOKE ALL ON FUNCTION io_is_fiscal_code(text, boolean) FROM PUBLIC;

CREATE FUNCTION io_wait(id bigint, timeout interval DEFAULT '10 s')
	RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'iomsg_wait_sql';
COMMENT ON FUNCTION io_wait(bigint, interval) IS
'Waits until a row of the outbox is neither queued nor being sent, at most as long as timeout; returns its status.';
REVOKE ALL ON FUNCTION io_wait(bigint, interval) FROM PUBLIC;
