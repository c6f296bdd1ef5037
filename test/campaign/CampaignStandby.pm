# CampaignStandby.pm: a server that has a synchronous standby is killed, and the
# standby takes its place for the rest of the campaign.
#
# What was queued on the old timeline is held; IO may have none of it, since
# each mark was on the standby before its request left.  So all of it may go.

package CampaignStandby;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use File::Path qw(remove_tree);

use PostgreSQL::Test::Cluster;

use IoMsgTest qw(poll_until);

our @EXPORT = qw(standby_kinds);

my $count = 0;

sub standby_kinds
{
	return ('standby promoted' => { weight => 2, prepare => \&begin_standby, strike => \&promote });
}

# Before the load: a standby that has confirmed everything.
sub begin_standby
{
	my ($round) = @_;
	my $server = $round->{server};
	my $name = 'standby' . ++$count;
	my $standby = PostgreSQL::Test::Cluster->new($name);

	$server->node->backup($name);
	$standby->init_from_backup($server->node, $name, has_streaming => 1);
	remove_tree($server->node->backup_dir);
	$standby->append_conf('postgresql.conf', "primary_conninfo = '" . $server->node->connstr . " application_name=$name'");
	$standby->start;
	$server->query("ALTER SYSTEM SET synchronous_standby_names = '$name'");
	$server->reload;
	poll_until(sub { $server->query("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") eq '1' })
	  or die "the standby does not follow\n";
	# A worker that came up before knows it only after its next turn.
	poll_until(sub { !$server->drainers }) or die "an idle worker does not leave\n";
	$round->{standby} = $standby;
	return;
}

sub promote
{
	my ($round) = @_;
	my ($server, $standby) = @$round{qw(server standby)};

	$round->{crashes}++;
	$round->{cut_off} = 1;
	$round->{promoted} = 1;
	$server->kill_postmaster;
	$standby->promote;
	$server->move_to($standby);
	return;
}

# Once the clients' last word is known: what is held goes, and IO has none of it.
sub release_held
{
	my ($round) = @_;
	my ($server, $journals) = @$round{qw(server journals)};

	$journals->read_io;
	foreach my $reference (map { $_->[0] } $server->rows("SELECT o.reference FROM io_msg.outbox AS o
		JOIN io_msg.pending AS p USING (id), io_msg.identity() AS i
		WHERE o.id > $round->{last_id} AND p.timeline <> i.timeline"))
	{
		my ($n) = $reference =~ /(\d+)/;

		push @{ $round->{broken} }, "message $n is held, and IO has it" if $journals->accepted($n);
	}
	$server->query('SELECT io_release()');
	return;
}

1;
