# IO says 429: the account waits as long as IO says, in whichever way it says
# it; no attempt is counted, other accounts go on, and the row is sent then.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use JSON::PP;
use Test::More;
use Time::HiRes qw(time);

use IoMsgFlow;
use IoMsgTest;

my $node = flow_node('limits', 'io_msg.poll_delay' => '1h');
my $io = start_sandbox(quota => 0);

# dialect, seconds it names, seconds to wait at least
my @dialects = (
	[ 'x-rate-limit', 2, 2 ],
	[ 'seconds', 2, 2 ],
	[ 'http-date', 3, 1 ],
	[ 'body', 2, 2 ],
	[ 'none', 2, 4 ]);
my @names = map { $_->[0] =~ tr/-/_/r } @dialects;

# Two services of one account each: the second learns it from the first.
add_services($node, $io, free => { account => 'free' }, absurd => { account => 'absurd' },
	map { ("$_" => { account => $_ }, "${_}_2" => { account => $_ }) } @names);
my $citizen = 0;
my (%first, %second, %id);
foreach my $i (0 .. $#names)
{
	$first{ $names[$i] } = ++$citizen;
	$second{ $names[$i] } = ++$citizen;
	know_profile($node, $names[$i], $first{ $names[$i] });
	know_profile($node, "$names[$i]_2", $second{ $names[$i] });
}
$io->admin('POST', 'faults', [
	(map { { kind => 'rate_limit', dialect => $_->[0], seconds => $_->[1], path => 'message',
		service => $_->[0] =~ tr/-/_/r, count => 1 } } @dialects),
	{ kind => 'rate_limit', value => '1000000000000', service => 'absurd', count => 1 } ]);

$id{$_} = enqueue($node, $first{$_}, service => $_) foreach @names;
$id{absurd} = enqueue($node, ++$citizen, service => 'absurd');
my $absurd = $citizen;
ok(poll_until(sub { scalar(grep { $_->{status} == 429 } $io->journal) == @names + 1 }), 'each has met its 429');
my $known = enqueue($node, ++$citizen, service => 'free');
my @later = map { enqueue($node, $second{$_}, service => "${_}_2") } @names;

wait_for_status($node, $known, 'sent');
wait_for_status($node, $_, 'sent') foreach @id{@names}, @later;
settle_requests($io);

my @journal = $io->journal;
my %by_citizen;
push @{ $by_citizen{ $_->{fiscal_code} } }, $_ foreach grep { $_->{path} eq 'message' } @journal;
foreach my $i (0 .. $#names)
{
	my ($name, $least) = ($names[$i], $dialects[$i][2]);
	my @mine = @{ $by_citizen{ fiscal_code($first{$name}) } };
	my @others = @{ $by_citizen{ fiscal_code($second{$name}) } };
	my $refused = $mine[0];

	is(join(' ', map { $_->{status} } @mine), '429 201', "$name: refused once, then accepted");
	cmp_ok(($mine[1]{real_us} - $refused->{real_us}) / 1e6, '>', $least - 0.1, "$name: not before its time");
	cmp_ok(($others[0]{real_us} - $refused->{real_us}) / 1e6, '>', $least - 0.1, "$name: the account's other service waited too");
	is(scalar @others, 1, "$name: and was never refused");
	is(row_of($node, $id{$name})->{attempts}, 1, "$name: the refusal is no attempt");
}
my ($free) = @{ $by_citizen{ fiscal_code($absurd + 1) } };
my ($none) = grep { $_->{status} == 201 } @{ $by_citizen{ fiscal_code($first{none}) } };
cmp_ok($free->{real_us}, '<', $none->{real_us}, 'the account without a 429 did not wait');

# What no sane gateway says is cut to an hour; a person sees the row waiting.
my $row = row_of($node, $id{absurd});
is("$row->{status} $row->{attempts}", 'queued 0', 'absurd: the row waits');
is(scalar calls_to($io, $absurd), 1, 'absurd: no second call');
is($node->safe_psql('postgres', 'SELECT throttled FROM io_msg.counters()'), @names + 1, 'each 429 is counted');
is_deeply(stopped_services($node), {}, 'no service was stopped');

# At the quota itself: paced by our own limiter, everything is sent in the end.
$io->quota(account => 'default', calls => 20, period_ms => 500);
add_services($node, $io, paced => { account => 'paced' });
$node->safe_psql('postgres', "UPDATE io_msg.account SET quota_calls = 20, quota_period = '500 ms' WHERE name = 'paced'");
enqueue_many($node, 2000, 2099, service => 'paced');
wait_until($node, "SELECT count(*) = 100 FROM io_msg.outbox o JOIN io_msg.service s ON s.id = service_id WHERE s.name = 'paced' AND o.status = 'sent'", '100 sent at the quota');
is($node->safe_psql('postgres', "SELECT max(attempts) FROM io_msg.outbox o JOIN io_msg.service s ON s.id = service_id WHERE s.name = 'paced'"), 1, 'one attempt each');
my %accepted;
$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
is_deeply([ grep { $_ > 1 } values %accepted ], [], 'and none accepted twice');

log_is_clean($node);
$node->stop;
done_testing();
