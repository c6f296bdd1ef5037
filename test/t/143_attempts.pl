# Each attempt that did not simply end in sent leaves a row: its number, what
# the answer (or its lack) meant, how far the connection came, with which key,
# and when.  It is never changed, and holds no personal data.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

# A certificate for the host that takes its time.
my $dir = PostgreSQL::Test::Utils::tempdir();
system_or_bail('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=sandbox',
	'-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem");
my $io = start_sandbox(quota => 0);
my $slow = start_sandbox(quota => 0, cert => "$dir/cert.pem", key => "$dir/key.pem", service => 'slow');
my $node = flow_node('attempts', 'restart_after_crash' => 'on', 'io_msg.poll_delay' => '1h',
	'io_msg.ca_file' => "$dir/cert.pem", 'io_msg.idle_exit' => '500ms', 'io_msg.sweep' => '1s');
my ($citizen, $nservices) = (0, 0);

sub sql { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }

add_services($node, $io, steady => {});
add_services($node, $slow, slow => { account => 'slow' });
my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN io_msg_uncertain');
my $heard = '';

# Has the session that listens been told of a row?
sub is_told
{
	my ($id) = @_;

	$heard .= $listener->query_safe('SELECT 1');
	return $heard =~ /notification "io_msg_uncertain" with payload "$id"/;
}

# The attempts of a row, "number class reason http_status phase key" each.
sub attempts_of
{
	my ($id) = @_;

	return join ', ', split /\n/, sql("SELECT concat_ws(' ', number, class, reason, coalesce(http_status::text, '-'),
		coalesce(phase, '-'), coalesce(key, '-')) FROM io_msg.attempt WHERE id = $id ORDER BY number");
}

# Is each time what it says?  A request took no longer than mark to end.
sub times_are_right
{
	my ($id) = @_;

	return is(sql("SELECT bool_and(t.marked_at <= t.ended_at AND t.marked_at > o.created_at - interval '1 s'
		   AND t.ended_at <= clock_timestamp()
		   AND coalesce(t.duration_ms BETWEEN 0 AND 1000 * extract(epoch FROM t.ended_at - t.marked_at) + 1, t.class = 'not_sent'))
		  FROM io_msg.attempt t JOIN io_msg.outbox o USING (id) WHERE id = $id"), 't', 'marked, sent, ended: in this order');
}

# A message in a service of its own, to whom IO answers as the faults say.
sub send_one
{
	my ($faults, %args) = @_;
	my $n = ++$citizen;
	my $service = 'kind' . ++$nservices;

	add_services($node, $io, $service => {});
	know_profile($node, $service, $n);
	$io->fault(path => 'message', fiscal_code => fiscal_code($n), %$_) foreach @$faults;
	return (enqueue($node, $n, service => $service), $service, $n);
}

# Each kind of answer: faults, the row's last status, its attempts.
my %refused = (kind => 'error', status => 403, title => 'You are not allowed here', detail => 'You do not have enough permissions');
my @kinds = (
	[ 'sent', [], 'sent', '' ],
	[ 'sent, without an id', [ { kind => 'no_id' } ], 'sent', '1 accepted accepted_without_id 201 done primary' ],
	[ 'refused', [ { kind => 'error', status => 400, title => 'Bad request' } ], 'failed', '1 refused invalid_request 400 done primary' ],
	[ 'a key that IO refuses', [ { kind => 'error', status => 401, count => 1 } ], 'sent', '1 key key_refused 401 done primary' ],
	[ 'both keys refused', [ { kind => 'error', status => 401, count => 2 } ], 'queued',
		'1 key key_refused 401 done primary, 2 key key_refused 401 done secondary' ],
	[ 'a service that may not', [ { %refused, count => 1 } ], 'queued', '1 service forbidden 403 done primary' ],
	[ 'too many calls', [ { kind => 'rate_limit', count => 2 } ], 'sent',
		'1 throttled throttled 429 done primary, 2 throttled throttled 429 done primary' ],
	[ "IO's own error", [ { kind => 'error', status => 500, count => 2 } ], 'sent',
		'1 retry server_error 500 done primary, 2 retry server_error 500 done primary' ],
	[ 'the gateway has no answer', [ { kind => 'error', status => 502, shape => 'html' } ], 'uncertain', '1 unknown gateway_error 502 done primary' ],
	# On a connection that has served before, the client would send it again, and is not let.
	[ 'no answer', [ { kind => 'close', when => 'after_reading' } ], 'uncertain', qr/^1 unknown (?:no_answer|resend_stopped) - sent primary$/ ],
	[ 'an answer cut off', [ { kind => 'truncated', bytes => 3 } ], 'sent', '' ]);

foreach my $kind (@kinds)
{
	my ($what, $faults, $status, $wanted) = @$kind;

	subtest $what => sub
	{
		my ($id, $service) = send_one($faults);

		if ($status eq 'queued')
		{
			ok(poll_until(sub { stopped_services($node)->{$service} }), 'the service stops');
			ok(poll_until(sub { attempts_of($id) eq $wanted }), 'until it has ended');
		}
		wait_for_status($node, $id, $status);
		like(attempts_of($id), ref $wanted ? $wanted : qr/^\Q$wanted\E$/, 'its attempts');
		times_are_right($id) if $wanted;
		ok(poll_until(sub { is_told($id) }), 'who listens is told') if $status eq 'uncertain';
		ok(!is_told($id), 'nobody is told') if $status ne 'uncertain';
		if ($status eq 'queued')
		{
			$io->clear_faults;
			sql("SELECT io_resume('$service')");
			wait_for_status($node, $id, 'sent');
			is(attempts_of($id), $wanted, 'that one leaves none');
		}
	};
}

subtest 'nobody listens there' => sub
{
	my $n = ++$citizen;

	add_services($node, $io, nowhere => { account => 'nowhere' });
	sql("UPDATE io_msg.account SET base_url = 'http://127.0.0.1:9/api/v1' WHERE name = 'nowhere'");
	know_profile($node, 'nowhere', $n);
	my $id = enqueue($node, $n, service => 'nowhere');
	ok(poll_until(sub { attempts_of($id) =~ /^2 |, 2 / }), 'tried twice');
	like(attempts_of($id), qr/^1 not_sent not_sent - connecting primary, 2 not_sent not_sent - connecting primary/, 'the connection was refused');
	is(row_of($node, $id)->{attempts}, 0, 'none counts for the message');
	times_are_right($id);
	sql("UPDATE io_msg.account SET base_url = " . sql_literal($io->base_url) . " WHERE name = 'nowhere'");
	wait_for_status($node, $id, 'sent');
};

# Marked, and then the worker waits for the content, which somebody has locked.
sub hold_content
{
	my ($what) = @_;
	my ($n, $id) = (++$citizen);
	my $service = 'held' . ++$nservices;
	my $session = $node->background_psql('postgres');

	add_services($node, $io, $service => { paused => 't' });
	know_profile($node, $service, $n);
	$id = enqueue($node, $n, service => $service);
	$session->query_safe('BEGIN; LOCK TABLE io_msg.body IN ACCESS EXCLUSIVE MODE');
	sql("SELECT io_resume('$service')");
	wait_until($node, "SELECT status = 'sending' FROM io_msg.message WHERE id = $id", 'marked');
	$what->();
	$session->query_safe('COMMIT');
	$session->quit;
	wait_for_status($node, $id, 'sent');
	return $id;
}

# The worker waits for a second only: where we were slower, once more.
sub hold_until
{
	my ($pattern, $what) = @_;
	my $id;

	for (1 .. 20)
	{
		$id = hold_content($what);
		last if attempts_of($id) =~ $pattern;
	}
	like(attempts_of($id), $pattern, 'how it ended');
	times_are_right($id);
	return;
}

subtest 'the worker is asked to stop before it sends' => sub
{
	hold_until(qr/^(\d not_sent content_not_read - - -, )*\d not_sent stopped_before_sending - - -$/,
		sub { sql('SELECT pg_terminate_backend(' . ((drainer_pids($node))[0] // 0) . ')') });
};

subtest 'a mark that has grown old' => sub
{
	set_and_reload($node, 'io_msg.max_mark_age' => '100ms');
	hold_until(qr/\d not_sent stale_mark - - -/, sub { sql('SELECT pg_sleep(0.3)') });

	# The same while the host is slow to shake hands.
	my $n = ++$citizen;
	know_profile($node, 'slow', $n);
	kill('STOP', $slow->pid);
	my $id = enqueue($node, $n, service => 'slow');
	wait_until($node, "SELECT status = 'sending' FROM io_msg.message WHERE id = $id", 'marked');
	sql('SELECT pg_sleep(0.3)');
	kill('CONT', $slow->pid);
	wait_for_status($node, $id, 'sent');
	is(attempts_of($id), '1 not_sent guard_refused - ready primary', 'refused when it was about to leave');
	times_are_right($id);
	is(scalar(() = $slow->ledger), 1, 'sent once');
	set_and_reload($node, 'io_msg.max_mark_age' => '30s');
};

my ($killed, $last);
subtest 'killed' => sub
{
	$listener->quit;
	my ($id, $service, $n) = send_one([ { kind => 'error', status => 500, count => 1 }, { kind => 'hang', skip => 1, count => 1 } ]);
	my $from = -s $node->logfile;

	ok(poll_until(sub { accepted_for($io, $n) == 1 }), 'the second attempt is under way');
	kill('KILL', drainer_pids($node));
	ok(poll_until(sub { log_has($node, qr/all server processes terminated; reinitializing/, $from) }), 'the worker is killed');
	ok(poll_until(sub { ($node->psql('postgres', 'SELECT 1'))[0] == 0 }), 'the server is back');
	wait_for_status($node, $id, 'uncertain');
	is(attempts_of($id), '1 retry server_error 500 done primary, 2 unknown interrupted - - -', 'its row follows the others');
	is(row_of($node, $id)->{attempts}, 2, 'both count');
	$io->release;
	$killed = $id;
};

subtest 'numbers go on when it is sent again' => sub
{
	my $n = ++$citizen;
	my $before = sql("SELECT fiscal_code FROM io_msg.outbox WHERE id = $killed");

	$io->clear_faults;
	$io->fault(path => 'message', fiscal_code => $before, kind => 'close', when => 'after_reading', count => 1);
	sql("SELECT io_resolve($killed, 'send_again', reason => 'a test')");
	wait_for_status($node, $killed, 'uncertain');
	is(attempts_of($killed), '1 retry server_error 500 done primary, 2 unknown interrupted - - -, 3 unknown no_answer - sent primary',
		'the third');
	is(row_of($node, $killed)->{attempts}, 1, 'the message begins to count anew');
};

subtest 'who may see it, and nobody may change it' => sub
{
	sql("CREATE ROLE auditor; SELECT io_grant('auditor', 'reader')");
	my @rows = split /\n/, sql("SET ROLE auditor; SELECT service, number, class, explanation FROM io_msg.message_attempt WHERE id = $killed ORDER BY number");
	is(scalar @rows, 3, 'a reader sees the attempts');
	like($rows[0], qr/^kind\d+\|1\|retry\|IO had an internal error/, 'with the words for the reason');
	like(($node->psql('postgres', 'SET ROLE auditor; SELECT * FROM io_msg.attempt'))[2], qr/permission denied/, 'not the table');

	# An extension whose owner is nobody special.
	sql('CREATE ROLE keeper SUPERUSER');
	sql('CREATE DATABASE other');
	$node->safe_psql('other', q{SET SESSION AUTHORIZATION keeper; CREATE EXTENSION io_msg;
		INSERT INTO io_msg.attempt (id, number, ended_at, class) VALUES (1, 1, now(), 'retry');
		SELECT io_pause()});
	sql('ALTER ROLE keeper NOSUPERUSER');
	foreach my $table (qw(attempt audit))
	{
		my $name = $node->safe_psql('other', "SELECT format('%I.%I', 'io_msg', '$table')");

		foreach my $change ("UPDATE io_msg.$table SET reason = ''", "DELETE FROM io_msg.$table", "TRUNCATE io_msg.$table")
		{
			foreach my $who (qw(postgres keeper))
			{
				my (undef, undef, $error) = $node->psql('other', "SET SESSION AUTHORIZATION $who; $change");

				like($error, qr/rows of \Q$name\E are never changed or removed/, "$who: $change");
			}
		}
		is($node->safe_psql('other', "SELECT count(*) FROM io_msg.$table"), 1, "$table is as it was");
	}
};

subtest 'nothing personal' => sub
{
	unlike(sql('SELECT t::text FROM io_msg.attempt t'), qr/[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]|-key/, 'no person, no key');
};

is(sql(q{SELECT count(*) FROM (SELECT id, max(number) = count(*) AND min(number) = 1 AS whole FROM io_msg.attempt GROUP BY id) x WHERE NOT whole}),
	0, 'no number is left out');
log_is_clean($node);
$node->stop;
done_testing();
