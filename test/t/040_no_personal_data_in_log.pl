# Whatever goes wrong in a call of ours, the server log shows no citizen's
# data: neither in messages nor through the statement, its parameters or its
# context.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $canary = 'BNCLRA85B41F205U';
my $md = "'Gentile $canary, ' || repeat('m', 80)";
my $good = "'$canary', 'Avviso TARI 2026', $md";

my $node = iomsg_node('main',
	'log_error_verbosity' => 'verbose',
	'log_statement' => 'none',
	'log_min_error_statement' => 'error',
	'log_parameter_max_length_on_error' => -1);
$node->safe_psql('postgres', q{
	INSERT INTO io_msg.service (name, paused) VALUES ('tari', true);
	CREATE ROLE nobody_special;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO nobody_special;
});

# Runs SQL that must fail with a text, and be seen to fail in the log without
# the canary.
sub fails_silently
{
	my ($what, $sql, $expected) = @_;
	my $from = -s $node->logfile;
	my (undef, undef, $stderr) =
	  $node->psql('postgres', $sql, on_error_stop => 0);
	my $log = slurp_file($node->logfile, $from);

	like($stderr, $expected, "$what: refused");
	like($log, $expected, "$what: logged");
	unlike($log, qr/$canary/i, "$what: nothing personal in the log");
	unlike($stderr, qr/(?:ERROR|DETAIL|HINT):.*$canary/i,
		"$what: nothing personal in the message");
	return;
}

fails_silently('too short', "SELECT io_enqueue_message('$canary', 'short', $md)",
	qr/subject must have at least/);
fails_silently('code in the subject',
	"SELECT io_enqueue_message('$canary', 'Per il signor $canary', $md)",
	qr/must not contain a fiscal code/);
fails_silently('not quite a code', "SELECT io_enqueue_message('${canary}X', 'Avviso TARI 2026', $md)",
	qr/fiscal code of the recipient is not valid/);
fails_silently('arguments in the wrong order',
	"SELECT io_enqueue_message('Avviso TARI 2026', 'Avviso TARI 2026', $md, '$canary')",
	qr/due date is not a valid/);
fails_silently('code as a time zone', "SELECT io_enqueue_message($good, '2026-12-16 10:00 $canary')",
	qr/due date is not a valid/);
fails_silently('code as a service', "SELECT io_enqueue_message($good, service => '$canary')",
	qr/no such service/);
fails_silently('code as a field', qq{SELECT io_enqueue_message('{"fiscal_code": "$canary", "content": {"$canary": 1}}'::jsonb)},
	qr/content|field/);
fails_silently('profile', "SELECT io_check_profile('${canary}X')",
	qr/fiscal code of the recipient is not valid/);
fails_silently('payee', "SELECT io_payment_data(1, '012345678901234567', payee_fiscal_code => '$canary')",
	qr/fiscal code of the payee/);
fails_silently('third party', "SELECT io_third_party_data('$canary', '$canary')",
	qr/configuration id must be/);
fails_silently('no right', "SET ROLE nobody_special; SELECT io_enqueue_message($good)",
	qr/permission denied for this service/);
fails_silently('read-only', "BEGIN READ ONLY; SELECT io_enqueue_message($good); ROLLBACK",
	qr/read-only transaction/);
fails_silently('in a function', "DO \$\$ BEGIN PERFORM io_enqueue_message('$canary', 'short', $md); END \$\$",
	qr/subject must have at least/);

# Other content under a key, and the wait for another session's key: the
# latter is PostgreSQL's own error.
$node->safe_psql('postgres', "SELECT io_enqueue_message($good, dedup_key => 'k')");
fails_silently('dedup key',
	"SELECT io_enqueue_message('$canary', 'Avviso TARI 2027', $md, dedup_key => 'k')",
	qr/another message with this dedup_key/);

my $holder = $node->background_psql('postgres');
$holder->query_safe("BEGIN");
$holder->query_safe("SELECT io_enqueue_message($good, dedup_key => 'held')");
fails_silently('lock time-out',
	"SET lock_timeout = '200ms'; SELECT io_enqueue_message($good, dedup_key => 'held')",
	qr/lock timeout/);
fails_silently('statement time-out',
	"SET statement_timeout = '200ms'; SELECT io_enqueue_message($good, dedup_key => 'held')",
	qr/statement timeout/);
$holder->query_safe("COMMIT");
$holder->quit;

# The warning at commit.
my $from = -s $node->logfile;
$node->safe_psql('postgres', "SELECT io_enqueue_message('$canary', 'Chiami il 06 12345678', $md)");
my $log = slurp_file($node->logfile, $from);
like($log, qr/personal data in its subject/, 'the warning is logged');
unlike($log, qr/$canary|12345678/, 'without the data');

$node->stop;
done_testing();
