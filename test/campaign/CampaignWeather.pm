# CampaignWeather.pm: how IO behaves in a round: slow, silent, gone, refusing,
# or answering what nobody can read.  Each kind of weather is a list of faults
# of the sandbox.

package CampaignWeather;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);

our @EXPORT = qw(ask weather_kinds weather_faults);

# kind => [weight, faults…]; each fault strikes messages unless it says otherwise.
my @weather = (
	calm => [ 4 ],
	slow => [ 6, { kind => 'latency', min_ms => 2, max_ms => 60 } ],
	slow_before => [ 3, { kind => 'latency', when => 'before', min_ms => 2, max_ms => 60 } ],
	slow_profiles => [ 1, { kind => 'latency', path => 'profile', min_ms => 2, max_ms => 60 } ],
	hangs => [ 4, { kind => 'hang', probability => 0.08 }, { kind => 'latency', ms => 10 } ],
	hangs_before => [ 2, { kind => 'hang', when => 'before', probability => 0.08 }, { kind => 'latency', ms => 10 } ],
	hangs_a_while => [ 2, { kind => 'hang', ms => 200, probability => 0.2 } ],
	closes_at_once => [ 2, { kind => 'close', when => 'connect', probability => 0.1 } ],
	closes_unread => [ 2, { kind => 'close', when => 'before_reading', probability => 0.1 } ],
	closes_read => [ 2, { kind => 'close', when => 'after_reading', probability => 0.1 } ],
	closes_accepted => [ 3, { kind => 'close', when => 'after_accepting', probability => 0.1 } ],
	resets_unread => [ 1, { kind => 'close', when => 'before_reading', reset => \1, probability => 0.1 } ],
	resets_read => [ 1, { kind => 'close', when => 'after_reading', reset => \1, probability => 0.1 } ],
	resets_accepted => [ 2, { kind => 'close', when => 'after_accepting', reset => \1, probability => 0.1 } ],
	second_closed => [ 3, { kind => 'close', when => 'after_accepting', nth_request => 2, probability => 0.6 } ],
	second_closed_unread => [ 2, { kind => 'close', when => 'before_reading', nth_request => 2, probability => 0.6 } ],
	quota => [ 1, { kind => 'rate_limit', seconds => 1, count => 2, skip => 10 } ],
	own_errors => [ 4, { kind => 'error', status => 500, probability => 0.5 } ],
	gateway_errors => [ 2, { kind => 'error', status => 502, shape => 'html', probability => 0.05 },
		{ kind => 'error', status => 503, shape => 'gateway', probability => 0.05 },
		{ kind => 'error', status => 504, shape => 'empty', probability => 0.05 } ],
	gateway_gives_up => [ 6, map { { kind => 'error', status => $_, shape => 'html', when => 'after_accepting',
				probability => 0.08 } } 502, 503, 504 ],
	pages => [ 1, { kind => 'html', probability => 0.08 } ],
	no_content => [ 1, { kind => 'no_content', probability => 0.08 } ],
	no_id => [ 1, { kind => 'no_id', probability => 0.1 } ],
	cut_short => [ 2, { kind => 'truncated', probability => 0.1 } ],
	cut_status => [ 1, { kind => 'truncated', after => 'status', reset => \1, probability => 0.1 } ],
	huge => [ 1, { kind => 'huge', bytes => 200000, probability => 0.1 } ],
	garbage => [ 1, { kind => 'raw', head => "\x01\x02 what is this\r\n", times => 1, probability => 0.08 } ],
	everything => [ 4, { kind => 'latency', min_ms => 1, max_ms => 30 },
		{ kind => 'hang', probability => 0.02 },
		{ kind => 'close', when => 'after_accepting', probability => 0.03 },
		{ kind => 'close', when => 'before_reading', probability => 0.03 },
		{ kind => 'close', when => 'connect', probability => 0.02 },
		{ kind => 'error', status => 500, probability => 0.1 },
		{ kind => 'error', status => 502, shape => 'html', probability => 0.02 },
		{ kind => 'error', status => 502, shape => 'html', when => 'after_accepting', probability => 0.02 } ]);
my %weather = @weather;

# What a planned restart can be expected to wait for.
my @gentle = qw(calm slow slow_before slow_profiles hangs_a_while);

# Has the sandbox do something, also where the weather strikes this call, too.
sub ask
{
	my ($io, $what, @arguments) = @_;
	my $answer;

	for (1 .. 50)
	{
		return $answer if eval { $answer = $io->$what(@arguments); 1 };
	}
	die "the sandbox does not do it: $what: $@";
}

# The kinds, each as often as its weight; gentle: those that always answer.
sub weather_kinds
{
	my ($gentle) = @_;
	my @names = $gentle ? @gentle : sort keys %weather;

	return map { ($_) x $weather{$_}[0] } @names;
}

# The orders for the sandbox, in a form that JSON takes.
sub weather_faults
{
	my ($kind) = @_;
	my (undef, @faults) = @{ $weather{$kind} };

	# A connection is closed before anybody knows what it is for.
	return map { { ($_->{when} // '') eq 'connect' ? () : (path => 'message'), %$_ } } @faults;
}

1;
