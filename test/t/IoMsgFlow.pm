# IoMsgFlow.pm: what the tests of the flow share: many services in one server,
# and what became of a row, seen from the row and from IO's side.
#
#   my $node = flow_node('answers');
#   my $io = start_sandbox(quota => 0);
#   add_services($node, $io, tari => {}, imu => { dry_run => 't' });
#   know_profile($node, 'tari', 1);            # no profile call for citizen 1
#   ...
#   is(posts_to($io, 1), 1, 'one POST');
#   log_is_clean($node);

package IoMsgFlow;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use Test::More;

use PostgreSQL::Test::Utils;

use IoMsgTest;

our @EXPORT = qw(flow_node add_services write_key_lines know_profile row_of
  rows_of calls_to posts_to accepted_for stopped_services health explanation
  set_and_reload settle_requests log_is_clean);

# A server for these tests: tries again at once, tells the log all it can, and
# keeps the tests' own statements out of it, which hold invented people.
sub flow_node
{
	my ($name, %settings) = @_;

	return iomsg_node($name,
		'log_statement' => 'none',
		'log_min_messages' => 'debug5',
		'log_min_error_statement' => 'panic',
		'io_msg.retry_delay' => '20ms',
		%settings);
}

# Many services at once: NAME => { columns of io_msg.service }.  Besides them
#   io      a hash of fields of the sandbox's service
#   keys    [primary, secondary], [] for none
#   account the account's name, made with its base URL (default "sandbox")
sub add_services
{
	my ($node, $io, @list) = @_;
	my $url = sql_literal($io->base_url);
	my @lines = @{ $node->{iomsg_keys} // [] };
	my $sql = '';

	while (my ($name, $given) = splice(@list, 0, 2))
	{
		my %row = (name => $name, account => 'sandbox', %$given);
		my $keys = delete $row{keys} // [ $io->keys($name) ];
		my $fields = delete $row{io} // {};

		$io->service($name, %$fields) unless $io->is_https;
		my @names = sort keys %row;
		$sql .= 'INSERT INTO io_msg.account (name, base_url, quota_calls) VALUES ('
		  . sql_literal($row{account}) . ", $url, 4096) ON CONFLICT DO NOTHING;\n"
		  . 'INSERT INTO io_msg.service (' . join(', ', @names) . ') VALUES ('
		  . join(', ', map { sql_literal($row{$_}) } @names) . ");\n";
		push @lines, "postgres $name @$keys" if @$keys;
	}
	$node->safe_psql('postgres', "BEGIN;\n${sql}COMMIT");
	write_keys($node, @lines);
	return;
}

# IO has just said of a citizen that the service may write: no profile call.
sub know_profile
{
	my ($node, $service, @citizens) = @_;

	$node->safe_psql('postgres', join "\n", map {
		'INSERT INTO io_msg.profile SELECT s.id, ' . sql_literal(fiscal_code($_))
		  . ", true, true, NULL, clock_timestamp() FROM io_msg.service s WHERE s.name = '$service';"
	} @citizens);
	return;
}

# Rows of the outbox by id, with "being_sent", as hashes; empty for null.
sub rows_of
{
	my ($node, @ids) = @_;
	my @columns = qw(id status reason http_status attempts message_id io_status
	  read_status payment_status polls);
	my %found;

	return {} unless @ids;
	my $sql = 'SELECT o.' . join(', o.', @columns) . ', NOT EXISTS (SELECT FROM io_msg.pending p'
	  . ' WHERE p.id = o.id) FROM io_msg.outbox o WHERE id IN (' . join(',', @ids) . ')';
	foreach my $line (split /\n/, $node->safe_psql('postgres', $sql))
	{
		my %row;
		@row{ @columns, 'not_pending' } = split /\|/, $line, -1;
		$row{being_sent} = $row{status} eq 'queued' && $row{not_pending} eq 't';
		$found{ $row{id} } = \%row;
	}
	return \%found;
}

sub row_of { my ($node, $id) = @_; return rows_of($node, $id)->{$id}; }

# The calls about a citizen that have ended, as the sandbox saw them: those to
# a path (profile, message, status), or all.
sub calls_to
{
	my ($io, $citizen, $path) = @_;
	my $code = fiscal_code($citizen);

	return grep { ($_->{fiscal_code} // '') eq $code && (!defined $path || $_->{path} eq $path) }
	  $io->journal;
}

sub posts_to { return scalar calls_to(@_[ 0, 1 ], 'message'); }

sub accepted_for
{
	my ($io, $citizen) = @_;

	return scalar grep { $_->{fiscal_code} eq fiscal_code($citizen) } $io->ledger;
}

# The services that IO has stopped: { name => reason }.
sub stopped_services
{
	my ($node) = @_;

	return { map { split /\|/ } split /\n/, $node->safe_psql('postgres',
		'SELECT s.name, t.reason FROM io_msg.service_stop t JOIN io_msg.service s ON s.id = t.service_id') };
}

# io_health's lines, "severity code: problem", without those of a test server.
sub health
{
	my ($node) = @_;

	return join "\n", grep { !/fsync_off/ } split /\n/, $node->safe_psql('postgres',
		q{SELECT severity || ' ' || code || ': ' || problem FROM io_health()});
}

sub explanation { my ($node, $id) = @_; return $node->safe_psql('postgres', "SELECT io_explain($id)"); }

# Settings, changed without a restart; new processes have them then.
sub set_and_reload
{
	my ($node, %settings) = @_;

	$node->append_conf('postgresql.conf', "$_ = " . sql_literal($settings{$_})) foreach sort keys %settings;
	$node->reload;
	foreach my $name (sort keys %settings)
	{
		die "$name is not set" unless poll_until(sub {
			$node->safe_psql('postgres', "SHOW $name") eq $settings{$name} });
	}
	return;
}

# Waits until the sandbox has nothing under way, so that its journal is whole.
sub settle_requests
{
	my ($io) = @_;

	return poll_until(sub { $io->stats->{in_flight} == 0 });
}

# Nothing of any citizen, message or key has come into the server's log.
sub log_is_clean
{
	my ($node, @more) = @_;
	my $log = slurp_file($node->logfile);

	foreach my $personal (qr/[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]/, qr/Test message/,
		qr/Invented message/, qr/\w-(?:primary|secondary)-key/, @more)
	{
		my ($line) = $log =~ /^(.*$personal.*)$/m;
		is($line, undef, "nothing like $personal in the server's log");
	}
	return;
}

1;
