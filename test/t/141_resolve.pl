# What a person says of an uncertain message is done, once: an id is believed
# only when IO confirms it, "not sent" sends nothing, "send again" sends once;
# neither an operator nor IO's silence keeps the worker from the others.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $node = flow_node('resolve', 'io_msg.poll_delay' => '20ms', 'io_msg.idle_exit' => '500ms',
	'io_msg.sweep' => '1s', 'io_msg.answer_timeout' => '300s');
my $io = start_sandbox(quota => 0, processing_delay_ms => 100);
my ($citizen, $nservices) = (0, 0);

add_services($node, $io, steady => {});

# A message that IO accepts (or, with accepted => 0, does not) and never
# answers, in a service of its own: its id, its citizen, its service, and IO's
# id as the ledger has it.
sub make_uncertain
{
	my (%how) = @_;
	my $n = ++$citizen;
	my $service = 'doubt' . ++$nservices;

	add_services($node, $io, $service => {});
	know_profile($node, $service, $n);
	$io->fault(kind => 'close', path => 'message', fiscal_code => fiscal_code($n), count => 1,
		when => $how{accepted} // 1 ? 'after_accepting' : 'after_reading');
	my $id = enqueue($node, $n, service => $service, subject => "Test message $n, twice the same");
	wait_for_status($node, $id, 'uncertain');
	my ($line) = grep { $_->{fiscal_code} eq fiscal_code($n) } $io->ledger;
	return { id => $id, n => $n, service => $service, message_id => $line->{id} };
}

# Says what became of it; returns the status that the row has then.
sub resolve
{
	my ($m, $outcome, $message_id, $db) = @_;

	return $node->safe_psql($db // 'postgres', "SELECT io_resolve($m->{id}, '$outcome', "
		  . sql_literal($message_id) . ", 'as a test says')");
}

sub reason_of { my ($m) = @_; return row_of($node, $m->{id})->{reason}; }
sub wait_for_reason
{
	my ($m, $reason, $what) = @_;

	return wait_until($node, "SELECT reason IS NOT DISTINCT FROM '$reason' FROM io_msg.outbox WHERE id = $m->{id}", $what);
}
sub asked { my ($m) = @_; return scalar calls_to($io, $m->{n}, 'status'); }
sub in_doubt { my ($m) = @_; return $node->safe_psql('postgres', "SELECT count(*) FROM io_msg.uncertain WHERE id = $m->{id}"); }
sub others_go_on { return wait_for_status($node, enqueue($node, ++$citizen, service => 'steady'), 'sent'); }

# Has a call met the fault that lets it wait?
sub hangs { return scalar grep { $_->{kind} eq 'hang' && $_->{fired} } @{ $io->faults->{faults} }; }

# An id that looks like IO's, and that IO has never given.
sub unknown_id { return '01M80PBT6G5NC26T3DENQC8' . sprintf('%03d', $citizen); }

subtest 'sent, with an id that IO knows' => sub
{
	my $m = make_uncertain();

	is($m->{message_id} =~ /^[0-9A-Z]{26}$/, 1, 'IO has accepted it');
	is(row_of($node, $m->{id})->{reason}, 'no_answer', 'nobody here knows that');
	is(resolve($m, 'sent', $m->{message_id}), 'uncertain', 'uncertain until IO has confirmed it');
	wait_for_status($node, $m->{id}, 'sent');
	my $row = row_of($node, $m->{id});
	is("$row->{reason} $row->{message_id} $row->{attempts}", "resolved_sent $m->{message_id} 1", 'reason and id');
	wait_until($node, "SELECT io_status = 'PROCESSED' FROM io_msg.outbox WHERE id = $m->{id}",
		"IO's status is followed to its end");
	like(explanation($node, $m->{id}), qr/was accepted by IO at .*, as a person found .*\(PROCESSED\)/, 'in words');
	is(in_doubt($m), 0, 'nobody is asked any more');
	is(posts_to($io, $m->{n}), 1, 'it was sent once');
	is($node->safe_psql('postgres', "SELECT detail->>'outcome', detail->>'message_id', detail->>'was', reason
		  FROM io_msg.audit WHERE action = 'resolve' AND id = $m->{id}"),
		"sent|$m->{message_id}|no_answer|as a test says", 'the audit has who said what');
};

subtest 'sent, with an id that IO does not know' => sub
{
	my $m = make_uncertain();

	is(resolve($m, 'sent', unknown_id()), 'uncertain', 'IO is asked');
	wait_for_reason($m, 'not_verified', 'IO does not know it');
	my $row = row_of($node, $m->{id});
	is("$row->{status} $row->{message_id}", 'uncertain ', 'still uncertain, and the id is forgotten');
	is(asked($m), 5, 'after five questions: IO may be late to know its own');
	is(in_doubt($m), 1, 'it waits for a person');
	like(explanation($node, $m->{id}), qr/IO does not know the message id that a person gave/, 'in words');
	is($node->safe_psql('postgres', "SELECT count(*) FROM io_msg.poll WHERE $m->{id} = ANY (ids)"), 0, 'IO is not asked again');
	is(resolve($m, 'sent', $m->{message_id}), 'uncertain', 'another id');
	wait_for_status($node, $m->{id}, 'sent');
	is(row_of($node, $m->{id})->{message_id}, $m->{message_id}, 'the right one counts');
};

subtest 'sent, with the id of another service' => sub
{
	my ($m, $other) = (make_uncertain(), make_uncertain());

	# The same citizen, so that IO finds it, and another sender.
	know_profile($node, $other->{service}, $m->{n});
	my $theirs = enqueue($node, $m->{n}, service => $other->{service});
	wait_for_status($node, $theirs, 'sent');
	my $id = row_of($node, $theirs)->{message_id};
	like(($node->psql('postgres', "SELECT io_resolve($m->{id}, 'sent', '$id', 'a slip')"))[2],
		qr/message_id belongs to another message/, 'ours is refused at once');
	$node->safe_psql('postgres', "UPDATE io_msg.outbox SET message_id = NULL WHERE id = $theirs");
	resolve($m, 'sent', $id);
	wait_for_reason($m, 'not_verified', "IO's 403 says that it is not this service's");
	is(row_of($node, $m->{id})->{status}, 'uncertain', 'still uncertain');
	is_deeply(stopped_services($node), {}, 'no service stops for that');
};

subtest 'IO is out of reach meanwhile' => sub
{
	my $m = make_uncertain();
	my @bad = ({ kind => 'error', status => 502, shape => 'html' }, { kind => 'close', when => 'after_reading' },
		{ kind => 'error', status => 500 }, { kind => 'html' });

	$io->fault(path => 'status', fiscal_code => fiscal_code($m->{n}), count => 2, %$_) foreach @bad;
	# Long ago, when IO would not be asked about a sent message any more.
	$node->safe_psql('postgres', "UPDATE io_msg.outbox SET settled_at = settled_at - interval '10 days' WHERE id = $m->{id}");
	resolve($m, 'sent', $m->{message_id});
	ok(poll_until(sub { asked($m) >= 4 }), 'IO is asked again and again');
	my $row = row_of($node, $m->{id});
	is("$row->{status} $row->{reason}", 'uncertain being_verified', 'no such answer decides');
	like(explanation($node, $m->{id}), qr/IO is asked about the message id that a person gave/, 'in words');
	others_go_on();
	wait_for_status($node, $m->{id}, 'sent');
};

subtest 'the host cannot be reached meanwhile' => sub
{
	my $m = make_uncertain();
	my $url = sql_literal($io->base_url);

	$node->safe_psql('postgres', "UPDATE io_msg.account SET base_url = 'http://127.0.0.1:9/api/v1'");
	resolve($m, 'sent', $m->{message_id});
	ok(poll_until(sub { log_has($node, qr/io_msg cannot reach/) }), 'nobody listens there');
	is(reason_of($m), 'being_verified', 'it is still to be verified');
	$node->safe_psql('postgres', "UPDATE io_msg.account SET base_url = $url");
	wait_for_status($node, $m->{id}, 'sent');
};

subtest 'the server is killed while IO is asked' => sub
{
	my $m = make_uncertain();

	$io->fault(path => 'status', fiscal_code => fiscal_code($m->{n}), kind => 'hang', count => 1);
	resolve($m, 'sent', $m->{message_id});
	ok(poll_until(sub { hangs() }), 'the question is under way');
	$node->stop('immediate');
	$node->start;
	$io->clear_faults;
	$io->release;
	wait_for_status($node, $m->{id}, 'sent');
	is(row_of($node, $m->{id})->{reason}, 'resolved_sent', 'asked again by the next worker');
	is(posts_to($io, $m->{n}), 1, 'and not sent again');
};

subtest 'not sent' => sub
{
	my $m = make_uncertain(accepted => 0);

	is(resolve($m, 'not_sent'), 'failed', 'failed at once');
	is(reason_of($m), 'resolved_not_sent', 'the reason');
	is(in_doubt($m), 0, 'no doubt is left');
	others_go_on();
	is(posts_to($io, $m->{n}), 1, 'nothing more is sent');
	$node->safe_psql('postgres', "SELECT io_retry($m->{id})");
	wait_for_status($node, $m->{id}, 'sent');
	is(accepted_for($io, $m->{n}), 1, 'until a person wants it');
};

subtest 'send again' => sub
{
	my $m = make_uncertain();

	is(resolve($m, 'send_again'), 'queued', 'queued at once');
	wait_for_status($node, $m->{id}, 'sent');
	is(posts_to($io, $m->{n}), 2, 'one POST more');
	my @twice = grep { $_->{fiscal_code} eq fiscal_code($m->{n}) } $io->ledger;
	is(scalar @twice, 2, 'IO has it twice, as the person chose');
	is_deeply($twice[1]{content}, $twice[0]{content}, 'the same content');
	is(row_of($node, $m->{id})->{message_id}, $twice[1]{id}, 'the row has the id of the second');
	is(row_of($node, $m->{id})->{reason}, '', 'and no doubt');
	like(($node->psql('postgres', "SELECT io_resolve($m->{id}, 'send_again', reason => 'once more')"))[2],
		qr/is not uncertain: its status is sent/, 'only once');
};

# Until the second is accepted, the first may have been: each end but that is
# doubt again, and io_retry has nothing to send.
my %no_second = (
	'IO refuses it' => [ { kind => 'error', status => 400 } ],
	'IO has an error, then refuses it' => [ { kind => 'error', status => 500 }, { kind => 'error', status => 400 } ],
	'IO puts it off, then refuses it' => [ { kind => 'error', status => 429, headers => { 'Retry-After' => 1 } },
		{ kind => 'error', status => 400 } ],
	'the person wants none any more' => "UPDATE io_msg.profile SET sender_allowed = false WHERE fiscal_code = 'CITIZEN'",
	'its time is over' => "UPDATE io_msg.outbox SET expires_at = now() + interval '1 ms' WHERE id = ID",
	'the service only tries out by now' => "UPDATE io_msg.service SET dry_run = true WHERE name = 'SERVICE'",
);

foreach my $case (sort keys %no_second)
{
	subtest "send again: $case" => sub
	{
		my $m = make_uncertain();
		my $change = $no_second{$case};
		my %is = (CITIZEN => fiscal_code($m->{n}), ID => $m->{id}, SERVICE => $m->{service});

		# Both at once for the worker.
		if (ref $change)
		{
			$io->fault(path => 'message', fiscal_code => $is{CITIZEN}, count => 1, %$_) foreach @$change;
			resolve($m, 'send_again');
		}
		else
		{
			$node->safe_psql('postgres', "BEGIN; SELECT io_resolve($m->{id}, 'send_again', reason => 'as a test says'); "
				  . ($change =~ s/([A-Z]+)/$is{$1} \/\/ $1/ger) . '; COMMIT');
		}
		wait_for_status($node, $m->{id}, 'uncertain');
		is(reason_of($m), 'maybe_accepted', 'it is in doubt again');
		is(in_doubt($m), 1, 'and waits for a person');
		is(accepted_for($io, $m->{n}), 1, 'IO has the first');
		like(($node->psql('postgres', "SELECT io_retry($m->{id})"))[2], qr/cannot be retried: its status is uncertain/,
			'io_retry does not send it');
	};
}

# A transaction that keeps the row, as one in psql that somebody forgot.
sub keep_row
{
	my ($m) = @_;
	my $session = $node->background_psql('postgres');

	$session->query_safe("BEGIN; SELECT id FROM io_msg.outbox WHERE id = $m->{id} FOR UPDATE");
	return $session;
}

subtest 'an open transaction of a person' => sub
{
	my $m = make_uncertain();

	$io->fault(path => 'status', fiscal_code => fiscal_code($m->{n}), kind => 'hang', count => 1);
	resolve($m, 'sent', $m->{message_id});
	ok(poll_until(sub { hangs() }), 'IO is asked');
	my $session = keep_row($m);
	$io->clear_faults;
	$io->release;
	others_go_on() foreach 1 .. 3;
	is(reason_of($m), 'being_verified', 'the answer waits');
	$session->query_safe('COMMIT');
	$session->quit;
	wait_for_status($node, $m->{id}, 'sent');
	is(asked($m) >= 1, 1, 'it is written once the row is free');
};

subtest 'two operators' => sub
{
	my $m = make_uncertain(accepted => 0);
	my $first = $node->background_psql('postgres');

	$first->query_safe("BEGIN; SELECT io_resolve($m->{id}, 'not_sent', reason => 'the first')");
	my ($code, $out, $error) = $node->psql('postgres',
		"\\set VERBOSITY sqlstate\nSELECT io_resolve($m->{id}, 'send_again', reason => 'the second')");
	like($error, qr/55P03/, 'the second is told at once that the first is at it');
	$first->query_safe('COMMIT');
	$first->quit;
	($code, $out, $error) = $node->psql('postgres',
		"\\set VERBOSITY sqlstate\nSELECT io_resolve($m->{id}, 'send_again', reason => 'the second')");
	like($error, qr/55000/, 'and then that it is too late');
	is(status_of($node, $m->{id}), 'failed', 'the first word holds');
	others_go_on();
	is(posts_to($io, $m->{n}), 1, 'nothing was sent again');
};

# While IO is asked about an id, the person says something else.
sub ask_and_hang
{
	my ($m, $message_id) = @_;

	$io->fault(path => 'status', fiscal_code => fiscal_code($m->{n}), kind => 'hang', count => 1);
	resolve($m, 'sent', $message_id);
	ok(poll_until(sub { hangs() }), 'IO is asked');
	return;
}

sub let_go
{
	$io->clear_faults;
	$io->release;
	return;
}

subtest 'another word while IO is asked: not sent' => sub
{
	my $m = make_uncertain();

	ask_and_hang($m, $m->{message_id});
	is(resolve($m, 'not_sent'), 'failed', 'it is failed');
	let_go();
	others_go_on();
	my $row = row_of($node, $m->{id});
	is("$row->{status} $row->{reason} $row->{message_id}", 'failed resolved_not_sent ', "IO's answer changes nothing");
};

subtest 'another word while IO is asked: send again' => sub
{
	my $m = make_uncertain();

	ask_and_hang($m, $m->{message_id});
	is(resolve($m, 'send_again'), 'queued', 'it is queued');
	let_go();
	wait_for_status($node, $m->{id}, 'sent');
	is(posts_to($io, $m->{n}), 2, 'sent once more, and once only');
	isnt(row_of($node, $m->{id})->{message_id}, $m->{message_id}, 'its id is the new one');
	wait_until($node, "SELECT io_status = 'PROCESSED' FROM io_msg.outbox WHERE id = $m->{id}", 'which is followed');
};

subtest 'another word while IO is asked: another id' => sub
{
	my ($m, $wrong) = (make_uncertain(), unknown_id());

	# The first answer, about the right id, must not confirm the second one.
	ask_and_hang($m, $m->{message_id});
	is(resolve($m, 'sent', $wrong), 'uncertain', 'another id');
	let_go();
	wait_for_reason($m, 'not_verified', 'IO is asked about that one, and does not know it');
	is(status_of($node, $m->{id}), 'uncertain', 'so it is still uncertain');
	is(resolve($m, 'sent', $m->{message_id}), 'uncertain', 'the right one again');
	wait_for_status($node, $m->{id}, 'sent');
};

subtest 'a dump taken while IO is asked' => sub
{
	my $m = make_uncertain();
	my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';

	$node->safe_psql('postgres', 'SELECT io_pause()');
	resolve($m, 'sent', $m->{message_id});
	$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'postgres' ], 'pg_dump');
	$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE template0');
	write_keys($node, @{ $node->{iomsg_keys} }, map { s/^postgres /copy /r } @{ $node->{iomsg_keys} });
	$node->command_ok([ 'pg_restore', '-e', '-1', '-d', 'copy', $dump ], 'pg_restore');
	wait_for_status($node, enqueue($node, ++$citizen, service => 'steady', database => 'copy'), 'sent', 'copy');
	is($node->safe_psql('copy', "SELECT status, reason FROM io_msg.outbox WHERE id = $m->{id}"), 'uncertain|being_verified',
		'it is held in the copy');
	is(asked($m), 0, 'IO is not asked');
	is($node->safe_psql('copy', "SELECT count(*) FROM io_msg.uncertain WHERE id = $m->{id}"), 1, 'and it is in doubt there too');

	is(resolve($m, 'sent', $m->{message_id}, 'copy'), 'uncertain', 'in the copy a person says the same');
	wait_for_status($node, $m->{id}, 'sent', 'copy');
	is(asked($m) >= 1, 1, 'asked by the copy');
	is(status_of($node, $m->{id}), 'uncertain', 'the original still waits');
	$node->safe_psql('postgres', 'SELECT io_resume()');
	wait_for_status($node, $m->{id}, 'sent');
	is(posts_to($io, $m->{n}), 1, 'and nobody has sent it again');
};

is($node->safe_psql('postgres', q{SELECT count(*) FROM io_msg.uncertain u
	  LEFT JOIN io_msg.outbox o ON o.id = u.id AND o.status = 'uncertain' WHERE o.id IS NULL}),
	0, 'what is listed as uncertain is');
is($node->safe_psql('postgres', q{SELECT count(*) FROM io_msg.outbox o
	  LEFT JOIN io_msg.uncertain u ON o.id = u.id WHERE o.status = 'uncertain' AND u.id IS NULL}),
	0, 'and the other way round');
log_is_clean($node);
$node->stop;
done_testing();
