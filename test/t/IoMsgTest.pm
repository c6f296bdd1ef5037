# IoMsgTest.pm: what the tests of io_msg share.
#
# A server that preloads io_msg, a sandbox that stands for IO, the rows and the
# key file that join them, and waiting with a deadline.  Deadlines are many
# times what a slow machine needs: they catch a hang and assert no speed.
#
#   my $node = iomsg_node('main', 'io_msg.max_in_flight' => 4);
#   my $io = start_sandbox();
#   add_service($node, 'tari', $io);
#   my $id = enqueue($node, 1);
#   wait_for_status($node, $id, 'sent');
#   is(scalar $io->ledger, 1, 'accepted once');

package IoMsgTest;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use Test::More;
use Time::HiRes qw(sleep time);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

use IoMsgSandbox;

our @EXPORT = qw(iomsg_node start_sandbox add_service write_keys remove_keys
  fiscal_code enqueue enqueue_many status_of statuses wait_for_status
  wait_until poll_until drainer_pids sql_literal log_has tree_dir deadline_s
  session_options);

my $DB = 'postgres';

# Seconds that something expected within a second or two may take; valgrind
# and slow machines stretch it by IOMSG_TEST_PATIENCE.
sub deadline_s
{
	return 60 * ($ENV{IOMSG_TEST_PATIENCE} // 1);
}

# The top of the source tree.
sub tree_dir
{
	my ($dir) = __FILE__ =~ m{^(.*)/test/t/[^/]+$};

	return $dir // '.';
}

# A running server with io_msg preloaded and created in the database
# postgres.  Settings are lines of postgresql.conf; besides them:
#   extension => 0      preload only
#   preload => 0        neither
#   schema => NAME      where the functions go (made if need be)
#   start => 0          only initialise
#   init => [...]       more for Cluster's init
# The key file is beside the data directory, never in it.
sub iomsg_node
{
	my ($name, %settings) = @_;
	my %how = (extension => 1, preload => 1, schema => undef, start => 1,
		init => []);

	foreach my $key (keys %how)
	{
		$how{$key} = delete $settings{$key} if exists $settings{$key};
	}
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(@{ $how{init} });
	make_hostile($node) if $ENV{IOMSG_HOSTILE} && $how{preload};
	$settings{'io_msg.keys_file'} //= keys_file($node);
	$settings{'io_msg.allowed_hosts'} //= '127.0.0.1,localhost';
	write_keys_file($settings{'io_msg.keys_file'});
	if ($how{preload})
	{
		$node->append_conf('postgresql.conf',
			"shared_preload_libraries = '" . ($ENV{IOMSG_HOSTILE_PRELOAD} // '') . "io_msg'\n"
			  . join('', map { "$_ = " . sql_literal($settings{$_}) . "\n" }
				  sort keys %settings));
	}
	return $node unless $how{start};
	$node->start;
	create_extension($node, $how{schema})
	  if $how{preload} && $how{extension};
	return $node;
}

# The settings of script/test hostile, before the test's own.
sub make_hostile
{
	my ($node) = @_;

	system_or_bail($^X, tree_dir() . '/script/lib/hostile.pl', $node->data_dir);
	return;
}

sub create_extension
{
	my ($node, $schema) = @_;

	$node->safe_psql($DB,
		$schema
		? "CREATE SCHEMA IF NOT EXISTS $schema;
		   CREATE EXTENSION io_msg SCHEMA $schema"
		: 'CREATE EXTENSION io_msg');
	return;
}

sub keys_file
{
	my ($node) = @_;

	return $node->basedir . '/io_msg.keys';
}

# Replaces the file in one step, as an editor does.
sub write_keys_file
{
	my ($path, @lines) = @_;

	open(my $fh, '>', "$path.new") or die "$path.new: $!\n";
	chmod(0600, $fh) or die "$path.new: $!\n";
	print $fh "# database service primary [secondary]\n";
	print $fh "$_\n" foreach @lines;
	close($fh) or die "$path.new: $!\n";
	rename("$path.new", $path) or die "$path: $!\n";
	return;
}

# The whole key file anew, each line "database service primary [secondary]";
# then a reload.
sub write_keys
{
	my ($node, @lines) = @_;

	write_keys_file(keys_file($node), @lines);
	$node->reload;
	$node->{iomsg_keys} = [@lines];
	return;
}

sub remove_keys
{
	my ($node) = @_;

	write_keys($node);
	return;
}

# Starts a sandbox; the arguments are its flags, underscores for dashes, as in
# start_sandbox(quota_calls => 20).  It ends with the test.
sub start_sandbox
{
	return IoMsgSandbox->start(@_);
}

# A service of the sandbox, made there too, its account and its line in
# the key file, with the sandbox's own keys unless keys => [primary, secondary]
# says otherwise (keys => [] writes none).  Other arguments are columns of
# io_msg.service; database => NAME for another database.
sub add_service
{
	my ($node, $name, $sandbox, %columns) = @_;
	my $db = delete $columns{database} // $DB;
	my $account = delete $columns{account} // 'sandbox';
	my $quota = delete $columns{quota_calls};
	my $keys = delete $columns{keys} // [ $sandbox->keys($name) ];
	my $url = sql_literal($sandbox->base_url);
	$sandbox->service($name);
	my $sql = "INSERT INTO io_msg.account (name, base_url) VALUES ("
	  . sql_literal($account) . ", $url) ON CONFLICT (name) DO UPDATE SET base_url = $url;\n";

	$sql .= "UPDATE io_msg.account SET quota_calls = $quota WHERE name = "
	  . sql_literal($account) . ";\n" if defined $quota;
	my %row = (name => $name, account => $account, %columns);
	my @names = sort keys %row;
	$sql .= 'INSERT INTO io_msg.service (' . join(', ', @names) . ') VALUES ('
	  . join(', ', map { sql_literal($row{$_}) } @names) . ');';
	$node->safe_psql($db, $sql);

	my @lines = @{ $node->{iomsg_keys} // [] };
	push @lines, join(' ', $db, $name, @$keys) if @$keys;
	write_keys($node, @lines);
	return;
}

# The n-th invented fiscal code: IO's pattern, a real date of birth, the right
# check character; different for each n below 26^6.
sub fiscal_code
{
	my ($n) = @_;
	my ($letters, $rest) = ('', $n);
	my @odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8,
		12, 14, 16, 10, 22, 25, 24, 23);

	for (1 .. 6)
	{
		$letters = chr(ord('A') + $rest % 26) . $letters;
		$rest = int($rest / 26);
	}
	my $code = sprintf('%s%02d%s%02dH501', $letters, 40 + $n % 60,
		substr('ABCDEHLMPRST', $n % 12, 1), 1 + $n % 28);
	my $sum = 0;
	for my $i (0 .. 14)
	{
		my $c = substr($code, $i, 1);
		my $v = $c =~ /\d/ ? $c : ord($c) - ord('A');

		$sum += $i % 2 ? $v : $odd[$v];
	}
	return $code . chr(ord('A') + $sum % 26);
}

# A text that IO accepts (80 to 10,000 characters).
sub markdown
{
	my ($n) = @_;

	return "Invented message number $n, long enough for the least length that "
	  . 'IO asks of a text, which is eighty characters.';
}

# Enqueues a message to the n-th citizen in a transaction of its own, returns
# its id.  Arguments are parameters of io_enqueue_message, as values; a value
# that is a reference to a string goes in as SQL.
sub enqueue
{
	my ($node, $n, %args) = @_;
	my $db = delete $args{database} // $DB;
	my %all = (
		fiscal_code => fiscal_code($n),
		subject     => "Test message $n",
		markdown    => markdown($n),
		%args);

	return $node->safe_psql($db,
		'SELECT io_enqueue_message('
		  . join(', ', map { "$_ => " . sql_literal($all{$_}) } sort keys %all)
		  . ')');
}

# Enqueues to the citizens FROM..TO in one transaction, returns their ids.
sub enqueue_many
{
	my ($node, $from, $to, %args) = @_;
	my $db = delete $args{database} // $DB;
	my $more = join('', map { ", $_ => " . sql_literal($args{$_}) } sort keys %args);
	my $rows = join(",\n", map { "($_, " . sql_literal(fiscal_code($_)) . ')' } $from .. $to);

	return split /\n/, $node->safe_psql($db,
		"SELECT io_enqueue_message(fiscal_code => v.cf, subject => 'Test message ' || v.n, markdown => "
		  . sql_literal(markdown('many')) . "$more) FROM (VALUES $rows) v (n, cf)");
}

sub status_of
{
	my ($node, $id, $db) = @_;

	return $node->safe_psql($db // $DB,
		"SELECT status FROM io_msg.outbox WHERE id = $id");
}

# How many rows are in each status: { sent => 10, queued => 2 }.
sub statuses
{
	my ($node, $db) = @_;

	return { map { split /\|/ } split /\n/,
		$node->safe_psql($db // $DB,
			'SELECT status, count(*) FROM io_msg.outbox GROUP BY 1') };
}

# Waits until a row has a status; a failed test with the status it has and
# io_explain's words if it does not come.
sub wait_for_status
{
	my ($node, $id, $wanted, $db) = @_;
	my $reached = poll_until(sub { status_of($node, $id, $db) eq $wanted });

	return ok(1, "row $id is $wanted") if $reached;
	ok(0, "row $id is $wanted");
	diag('it is ' . status_of($node, $id, $db));
	diag((($node->psql($db // $DB, "SELECT io_explain($id)"))[1]) // '');
	return 0;
}

# Waits until SQL returns "t"; a test of its own.
sub wait_until
{
	my ($node, $sql, $name, $db) = @_;

	return ok(poll_until(sub { $node->safe_psql($db // $DB, $sql) eq 't' }), $name);
}

# Calls CODE until it returns true; false once the deadline has passed.
sub poll_until
{
	my ($code, $seconds) = @_;
	my $end = time + ($seconds // deadline_s());

	for (;;)
	{
		return 1 if $code->();
		return 0 if time > $end;
		sleep(0.05);
	}
}

# Process ids of drainers, of one database or of all.
sub drainer_pids
{
	my ($node, $db) = @_;
	my $only = defined $db ? 'AND datname = ' . sql_literal($db) : '';

	return split /\n/, $node->safe_psql('template1',
		"SELECT pid FROM pg_stat_activity
		  WHERE backend_type ~ '^io_msg drainer' $only ORDER BY pid");
}

# A value as SQL; undef is NULL, a reference to a string is SQL already.
sub sql_literal
{
	my ($value) = @_;

	return 'NULL' unless defined $value;
	return $$value if ref $value eq 'SCALAR';
	(my $text = $value) =~ s/'/''/g;
	return "'$text'";
}

# PGOPTIONS for sessions that have other settings than this test's: NAME =>
# value, undef for what the server says.  What script/test hostile gives the
# test's sessions stays.
sub session_options
{
	my (%settings) = @_;
	my $options = $ENV{PGOPTIONS} // '';

	foreach my $name (sort keys %settings)
	{
		my $value = $settings{$name};

		$options =~ s/-c \Q$name\E=(?:\\.|\S)*\s*//g;
		$options .= " -c $name=" . ($value =~ s/([\\ ])/\\$1/gr) if defined $value;
	}
	return $options;
}

# True when the server's log has a line that matches, from an offset on.
sub log_has
{
	my ($node, $pattern, $offset) = @_;

	return substr(slurp_file($node->logfile), $offset // 0) =~ $pattern;
}

1;
