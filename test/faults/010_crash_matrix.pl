# Wherever a worker is when it fails, ends, crashes or is killed, and wherever
# the server is shut down at once: no message is lost, IO accepts none twice,
# and uncertain is at most what was between its mark and its result.
#
# Each cell: three messages are under way, unanswered; then a fourth, the
# witness, meets the point; four more wait behind it.  What became of the
# witness is a table, one line a cell, which script/crash-matrix turns into
# that of the README.
#
#   IOMSG_CRASH_MATRIX=FILE     where the table goes
#   IOMSG_CRASH_MATRIX_ALL=1    crash and kill at each point, not by turns
#   IOMSG_CRASH_MATRIX_ONLY     points that match: "orphan"

use strict;
use warnings FATAL => 'all';

use lib 'test/t', 'test/faults';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFaults;
use IoMsgFlow;
use IoMsgTest;

my $connections = 4;
my $table_file = $ENV{IOMSG_CRASH_MATRIX} // 'tmp_check/crash_matrix.tsv';
my $readme = 'README.md';
my @actions = qw(error exit crash kill quit);

# How far the witness has come at each point.
my %stage = (
	(map { $_ => 'queued' } qw(before_key_read after_key_read before_claim
		  after_claim before_mark_commit)),
	(map { $_ => 'marked' } qw(after_mark_commit before_content content
		  before_request in_guard)),
	(map { $_ => 'posted' } qw(request_sent after_status after_body
		  before_result_commit at_stop before_orphans before_orphan_commit
		  after_orphan_commit)),
	after_result_commit => 'settled');

# Where an error is raised outside a transaction, the worker ends.
my %ends_by_error = map { $_ => 1 } qw(before_request at_stop);
my %in_http = map { $_ => 1 } qw(in_guard request_sent after_status after_body);

is_deeply([ sort(fault_points()) ], [ sort keys %stage ], 'each point of the code is in the table');

my $io = start_sandbox(quota => 0);
my $node = fault_node('matrix', 'io_msg.max_in_flight' => $connections);
add_service($node, 'tari', $io, quota_calls => 4096);
my $citizen = 0;
my @cells;

sub hang { $io->fault(kind => 'hang', path => 'message', fiscal_code => fiscal_code($_)) foreach @_; return; }
sub is_accepted { my ($n) = @_; return scalar grep { $_->{fiscal_code} eq fiscal_code($n) } $io->ledger; }

# Has the worker go over the point.
sub strike
{
	my ($point, $action, $witness) = @_;

	if ($point =~ /orphan|at_stop/)
	{
		resume($node);
		poll_until(sub { is_accepted($witness) }) or die "the witness is not under way\n";
		my ($pid) = drainer_pids($node);
		kill($point eq 'at_stop' ? 'TERM' : 'KILL', $pid);
	}
	else
	{
		# It may not live to answer.
		attempt($node, 'SELECT io_resume()');
	}
	return ok(poll_until(sub { is_met($node, $point) }), "$point: $action: it gets there");
}

sub recover
{
	my ($point, $action, $log_end) = @_;

	await_server($node, 1) if $action eq 'quit';
	ok(poll_until(sub { log_has($node, qr/all server processes terminated; reinitializing/, $log_end) }),
		"$point: $action: the server starts anew")
	  if $action =~ /crash|kill/;
	await_server($node);
	$io->clear_faults;
	$io->release;
	resume($node);
	return ok(poll_until(sub { $node->safe_psql('postgres',
			"SELECT count(*) FROM io_msg.outbox WHERE status = 'queued'") == 0 }),
		"$point: $action: nothing waits any more");
}

# The rows of a cell, by citizen: what is in the database and in the ledger.
sub outcome
{
	my %id_of = @_;
	my %citizen_of = reverse %id_of;
	my %row;

	foreach (split /\n/, $node->safe_psql('postgres',
		'SELECT id, status, message_id FROM io_msg.outbox WHERE id IN (' . join(',', values %id_of) . ')'))
	{
		my ($id, $status, $message_id) = split /\|/;
		$row{ $citizen_of{$id} } = { status => $status, id => $message_id // '', accepted => [] };
	}
	my %by_code = map { fiscal_code($_) => $_ } keys %id_of;
	foreach my $entry ($io->ledger)
	{
		my $n = $by_code{ $entry->{fiscal_code} };
		push @{ $row{$n}{accepted} }, $entry->{id} if defined $n;
	}
	return \%row;
}

# What must hold for each message, whatever happened.
sub reconcile
{
	my ($name, $row, $cut_offs) = @_;
	my @sent = grep { $_->{status} eq 'sent' } values %$row;
	my $uncertain = grep { $_->{status} eq 'uncertain' } values %$row;

	is(scalar(grep { defined $_->{status} } values %$row), 8, "$name: none is lost");
	is(scalar(grep { @{ $_->{accepted} } > 1 } values %$row), 0, "$name: none is accepted twice");
	is(scalar(grep { "@{ $_->{accepted} }" ne $_->{id} } @sent), 0, "$name: sent is what IO says it has");
	is(@sent + $uncertain, 8, "$name: each is sent or uncertain");
	cmp_ok($uncertain, '<=', $connections * $cut_offs, "$name: uncertain are not more than connections, each time");
	return;
}

sub run_cell
{
	my ($point, $action) = @_;
	my $name = "$point: $action";
	my @under_way = map { ++$citizen } 1 .. 3;
	my $witness = ++$citizen;
	my @behind = map { ++$citizen } 1 .. 4;
	my %id_of;

	know_profile($node, 'tari', @under_way, $witness, @behind);
	hang(@under_way);
	@id_of{@under_way} = enqueue_many($node, $under_way[0], $under_way[-1]);
	poll_until(sub { 3 == grep { is_accepted($_) } @under_way }) or die "nothing is under way\n";
	$node->safe_psql('postgres', 'SELECT io_pause()');
	hang($witness) if $point =~ /orphan|at_stop/;
	$id_of{$witness} = enqueue($node, $witness, $point eq 'content' ?
		(markdown => '[io_msg fault] ' . 'x' x 100) : ());
	@id_of{@behind} = enqueue_many($node, $behind[0], $behind[-1]);

	my $log_end = -s $node->logfile;
	order($node, "$point:$action:1");
	return unless strike($point, $action, $witness) && recover($point, $action, $log_end);
	is(times_met($node, $point) > 0 ? 1 : 0, 1, "$name: once");
	if ($stage{$point} eq 'posted')
	{
		poll_until(sub { is_accepted($witness) });
	}
	my $row = outcome(%id_of);
	my $survives = $action eq 'error' && !$ends_by_error{$point};

	# What has left orphans was killed, too.
	reconcile($name, $row, ($survives ? 0 : 1) + ($point =~ /orphan/ ? 1 : 0));
	$survives &&= $point !~ /orphan/;
	my $wanted = $survives || $stage{$point} =~ /queued|settled/ ? 'sent' : 'uncertain';
	my $accepted = $stage{$point} eq 'marked' && !$survives ? 0 : 1;
	is($row->{$witness}{status}, $wanted, "$name: the witness is $wanted");
	is(scalar(@{ $row->{$witness}{accepted} }), $accepted, "$name: IO has it $accepted times");
	is(scalar(grep { $row->{$_}{status} eq ($survives ? 'sent' : 'uncertain') } @under_way), 3,
		"$name: so far for the three under way");
	# What writes a result may mark the next ones: those were not sent.
	my %most = (after_result_commit => 1, after_orphan_commit => $connections);
	my @marked = grep { $row->{$_}{status} eq 'uncertain' } @behind;
	cmp_ok(scalar(@marked), '<=', $survives || $action eq 'error' ? 0 : $most{$point} // 0, "$name: those behind it flow");
	is(scalar(grep { @{ $row->{$_}{accepted} } } @marked), 0, "$name: but for what the same commit has marked");
	push @cells, join("\t", $point, $action, $row->{$witness}{status},
		scalar(@{ $row->{$witness}{accepted} }),
		scalar(grep { $_->{status} eq 'uncertain' } values %$row));
	return;
}

# Crashing and being killed are two ways to the same restart: by turns, unless
# all are asked for.
my $turn = 0;
my $only = $ENV{IOMSG_CRASH_MATRIX_ONLY} // '';
foreach my $point (grep { /$only/ } fault_points())
{
	my $left_out = $ENV{IOMSG_CRASH_MATRIX_ALL} ? '' : $turn++ % 2 ? 'crash' : 'kill';

	foreach my $action (grep { $_ ne $left_out } @actions)
	{
		next if $in_http{$point} && $action =~ /error|exit/;
		run_cell($point, $action);
		order($node, '');
	}
}
open(my $fh, '>', $table_file) or die "$table_file: $!\n";
print $fh "$_\n" foreach @cells;
close($fh);
$node->stop;

if ($only ne '')
{
	done_testing();
	exit 0;
}
my ($block) = slurp_file($readme) =~ /^<!-- crash matrix -->\n(.*?)^<!-- end of crash matrix -->$/ms;
is($block, scalar(`script/crash-matrix $table_file`), "the table of $readme is what this run has shown")
  or diag("IOMSG_CRASH_MATRIX=FILE keeps what was found, script/crash-matrix --write FILE puts it into $readme");
done_testing();
