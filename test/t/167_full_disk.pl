# A disk that is full, of a table's space or of the log of changes: nothing is
# lost and nothing is sent twice.  What the server cannot write is written when
# there is room again; where it must go down, what was on the wire is uncertain.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Cwd qw(abs_path);

# A small disk of our own, in a namespace where we may have one.
BEGIN
{
	my $dir = ($ENV{TESTDATADIR} // '/nonexistent') . '/small_disk';
	my ($uid, $gid) = ($<, (split / /, $()[0]);

	if (!$ENV{IOMSG_SMALL_DISK})
	{
		mkdir $dir;
		my @inside = ('unshare', '--user', "--map-user=$uid", "--map-group=$gid");
		if (!-d $dir || system('unshare', '-rm', 'sh', '-c', "mount -t tmpfs -o size=1m none '$dir' && @inside true >/dev/null 2>&1") != 0)
		{
			print "1..0 # SKIP no disk of our own can be had here\n";
			exit 0;
		}
		$ENV{IOMSG_SMALL_DISK} = abs_path($dir);
		exec('unshare', '-rm', 'sh', '-c', "mount -t tmpfs -o size=40m,mode=777 none '$dir' && exec @inside \"\$@\"",
			'sh', $^X, '-Itest/t', $0);
	}
}

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $disk = $ENV{IOMSG_SMALL_DISK};
my $io = start_sandbox(quota => 0);
my $node = iomsg_node('main', start => 0, 'restart_after_crash' => 'off', 'log_min_error_statement' => 'panic',
	'min_wal_size' => '32MB', 'max_wal_size' => '32MB', 'io_msg.max_in_flight' => 4, 'io_msg.idle_exit' => '1h');

# The log of changes lies there from the start.
my $wal = $node->data_dir . '/pg_wal';
rename($wal, "$disk/pg_wal") or system_or_bail('mv', $wal, "$disk/pg_wal");
symlink("$disk/pg_wal", $wal) or die "symlink: $!\n";
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION io_msg');
add_service($node, 'tari', $io, quota_calls => 4096);

# Takes all that is left, or gives it back.
sub fill
{
	open(my $fh, '>', "$disk/ballast") or die "ballast: $!\n";
	my $block = 'x' x 65536;
	1 while syswrite($fh, $block);
	close($fh);
	return;
}

sub free { return unlink "$disk/ballast"; }

sub none_twice
{
	my ($what) = @_;
	my %times;

	$times{ $_->{fiscal_code} }++ foreach $io->ledger;
	is_deeply([ grep { $times{$_} > 1 } keys %times ], [], "$what: none was accepted twice");
	return;
}

# The tables' disk.  An update finds room on its page, a new row does not.
mkdir "$disk/space";
$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$disk/space'");
$node->safe_psql('postgres', "ALTER TABLE io_msg.$_ SET TABLESPACE small") foreach qw(outbox pending body drainer poll profile);
$io->fault(kind => 'hang', path => 'message');
my @ids = enqueue_many($node, 1, 40);
ok(poll_until(sub { scalar(() = $io->ledger) == 4 }), 'messages are on the wire');
fill();
my ($rc, $out, $err) = $node->psql('postgres', "SELECT io_enqueue_message('" . fiscal_code(1000) . "', 'An invented subject', repeat(md5(g::text), 250))
	FROM generate_series(1, 500) AS g");
like($err, qr/No space left on device/, 'the disk is full');
$io->clear_faults;
$io->release;
ok(poll_until(sub { scalar(() = $io->ledger) > 4 || log_has($node, qr/SQLSTATE 53100/) }), 'the worker goes on, or says that it cannot');
free();
wait_until($node, "SELECT count(*) = 40 FROM io_msg.outbox WHERE status = 'sent'", 'with room again all are sent');
is(scalar(() = $io->ledger), 40, 'and accepted');
none_twice('a full tablespace');
$node->safe_psql('postgres', "ALTER TABLE io_msg.$_ SET TABLESPACE pg_default") foreach qw(outbox pending body drainer poll profile);

# The log of changes: the server cannot go on at all.
$io->fault(kind => 'hang', path => 'message');
@ids = enqueue_many($node, 101, 140);
ok(poll_until(sub { scalar(() = $io->ledger) == 44 }), 'messages are on the wire again');
$node->safe_psql('postgres', 'CREATE TABLE big (t text)');
fill();
$node->psql('postgres', 'INSERT INTO big SELECT md5(g::text) FROM generate_series(1, 1000000) AS g');
ok(poll_until(sub { log_has($node, qr/PANIC:.*No space left on device/) }), 'the server goes down');
ok(poll_until(sub { !-e $node->data_dir . '/postmaster.pid' }), 'and is gone');
free();
$io->clear_faults;
$io->release;
$node->{_pid} = undef;
$node->start;
wait_until($node, "SELECT count(*) = 0 FROM io_msg.outbox WHERE status = 'queued'", 'with room again all that waited is sent');
is($node->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox WHERE status = 'uncertain'"), 4, 'what was on the wire is uncertain');
is(scalar(() = $io->ledger), 80, 'IO has each');
none_twice('a full log');
$node->stop;
done_testing();
