# The campaign's judgement itself: each way in which the three journals can
# disagree is seen, and nothing else is.

use strict;
use warnings FATAL => 'all';

use lib 'test/t', 'test/faults', 'test/campaign';

use PostgreSQL::Test::Utils;
use Test::More;

use CampaignJournals;
use CampaignLoad;
use IoMsgTest;

my $journals = CampaignJournals->new(undef);

# What is found where IO has accepted a message under these ids, and its calls
# had these HTTP statuses.
sub found
{
	my ($outcome, $accepted, $calls, @rows) = @_;

	$journals->{accepted}{1} = $accepted;
	$journals->{calls}{ fiscal_code(1) } = $calls;
	return join ', ', map { $_->[0] } $journals->judge(1, $outcome, @rows);
}

sub row { my ($status, $id, $reason) = @_; return { id => 7, status => $status, message_id => $id // '', reason => $reason // '' }; }

# What is as it should be.
foreach my $outcome ('committed', 'unknown')
{
	is(found($outcome, ['A'], [201], row('sent', 'A')), '', "$outcome: sent with IO's id");
	is(found($outcome, ['A'], [201], row('sent', '', 'accepted_without_id')), '', "$outcome: sent, the id could not be read");
	is(found($outcome, ['A'], [0], row('uncertain')), '', "$outcome: uncertain, and IO has it");
	is(found($outcome, [], [0], row('uncertain')), '', "$outcome: uncertain, and IO has it not");
	is(found($outcome, [], [400], row('failed')), '', "$outcome: failed by IO's word");
	is(found($outcome, [], [], row('not_allowed', '', 'no_profile')), '', "$outcome: the citizen is not on IO");
}
is(found('rolled back', [], []), '', 'rolled back: nowhere');
is(found('unknown', [], []), '', 'unknown: nowhere');

# What is not.
is(found('committed', [], []), 'lost', 'no row');
is(found('committed', ['A'], [201]), 'lost', 'no row, and IO has it');
is(found('committed', [ 'A', 'B' ], [ 201, 201 ], row('sent', 'A')), 'duplicates', 'accepted twice');
is(found('committed', [ 'A', 'B' ], [ 0, 0 ], row('uncertain')), 'duplicates', 'accepted twice, and uncertain');
is(found('committed', ['A'], [201], row('sent', 'A'), row('sent', 'A')), 'duplicates', 'two rows');
is(found('committed', [], [], row('sent', 'A')), 'false sent', 'sent, and IO has it not');
is(found('committed', ['A'], [201], row('sent', 'B')), 'false sent', 'sent under another id');
is(found('committed', ['A'], [201], row('sent', '')), 'false sent', 'sent without an id, for no reason');
is(found('committed', ['A'], [500], row('failed')), 'false failed', 'failed, and IO has it');
is(found('committed', [], [], row('failed')), 'false failed', "failed without IO's word");
is(found('committed', ['A'], [0], row('queued')), 'false failed', 'queued, and IO has it');
is(found('committed', [], [429], row('queued')), 'left waiting', 'queued for good');
is(found('rolled back', ['A'], [201]), 'ghosts', 'rolled back, and IO has it');
is(found('rolled back', [], [], row('queued')), 'ghosts', 'rolled back, and there is a row');
is(found('unknown', ['A'], [201]), 'ghosts', 'no row, and IO has it');

# Why it is uncertain.
my %round = (cut_off => 1, network_cut => 0, unread => 1);
$journals->{accepted}{1} = [];
$journals->{calls}{ fiscal_code(1) } = [];
is($journals->why_uncertain(1, row('uncertain', '', 'interrupted'), \%round), 'cut off', 'the worker died');
is($journals->why_uncertain(1, row('uncertain', '', 'no_answer'), \%round), 'seen', 'a connection was closed unread');
is($journals->why_uncertain(1, row('uncertain', '', 'no_answer'), \%round), 'needless', 'but one only');
$journals->{calls}{ fiscal_code(1) } = [0];
is($journals->why_uncertain(1, row('uncertain', '', 'no_answer'), \%round), 'seen', 'IO saw the request');
%round = (cut_off => 0, network_cut => 1, unread => 0);
$journals->{calls}{ fiscal_code(1) } = [];
is($journals->why_uncertain(1, row('uncertain', '', 'no_answer'), \%round), 'network', 'the sandbox was killed');
$round{network_cut} = 0;
is($journals->why_uncertain(1, row('uncertain', '', 'interrupted'), \%round), 'needless', 'interrupted, and nothing was');

# What a client's transaction said.
sub said
{
	my ($kind, $block, $killed) = @_;
	my %t = (kind => $kind, intends => $kind =~ /rollback|error/ ? 'rollback' : 'commit');

	$t{prepared} = 'name' if $kind =~ /^prepared/;
	return CampaignLoad::said(\%t, $block, $killed);
}

is(said('commit', "1\nBEGIN\n17\nending\nCOMMIT\nended\n"), 'committed', 'COMMIT was said');
is(said('commit', "1\nBEGIN\n17\nending\n"), 'unknown', 'nothing was said');
is(said('commit', "1\nBEGIN\n17\nending\nROLLBACK\nended\n"), 'rolled back', 'it had failed');
is(said('commit', "1\nBEGIN\n17\n"), 'rolled back', 'the server died before the commit was asked for');
is(said('commit', "1\nBEGIN\n17\n", 1), 'unknown', 'the client died, nobody knows when');
is(said('rollback', "1\nBEGIN\n17\n", 1), 'rolled back', 'no commit was ever meant');
is(said('auto', "1\nending\n17\nended\n"), 'committed', 'a statement alone has answered');
is(said('auto', "1\nending\n"), 'unknown', 'it has not');
is(said('savepoint', "1\nBEGIN\n17\nSAVEPOINT\n18\nROLLBACK\n19\nending\nCOMMIT\n"), 'committed', 'a savepoint is no end');
is(said('prepared', "1\nBEGIN\n17\nPREPARE TRANSACTION\nending\nCOMMIT PREPARED\n"), 'committed', 'COMMIT PREPARED was said');
is(said('prepared', "1\nBEGIN\n17\nPREPARE TRANSACTION\n"), 'unknown', 'it is prepared, and somebody may end it');
is(said('prepared_rollback', "1\nBEGIN\n17\nPREPARE TRANSACTION\nending\nROLLBACK PREPARED\n"), 'rolled back',
	'ROLLBACK PREPARED was said');
done_testing();
