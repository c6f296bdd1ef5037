# BenchServer.pm: the throw-away server of the benchmark, and what it has used.

package BenchServer;

use strict;
use warnings FATAL => 'all';

use Time::HiRes qw(sleep time);

my $DB = 'bench';

# Initialises and starts a server below DIR, with io_msg preloaded and whatever
# else is in PRELOAD, and settings as pairs.
sub start
{
	my ($class, $dir, $preload, %settings) = @_;
	my $self = bless { dir => $dir, data => "$dir/data", socket => "$dir/s", db => $DB }, $class;
	my %conf = (
		listen_addresses => '', unix_socket_directories => $self->{socket},
		shared_preload_libraries => join(',', 'io_msg', @$preload),
		shared_buffers => '256MB', max_wal_size => '8GB', checkpoint_timeout => '1h',
		max_connections => 60, max_worker_processes => 16, autovacuum => 'off',
		log_checkpoints => 'off', jit => 'off', 'io_msg.allowed_hosts' => '127.0.0.1',
		'io_msg.keys_file' => "$dir/io_msg.keys", 'io_msg.ca_file' => "$dir/cert.pem",
		'io_msg.poll_delay' => '1d', 'io_msg.idle_exit' => '10min',
		'io_msg.shutdown_grace' => '1s', %settings);

	mkdir $self->{socket};
	run_quietly("$dir/initdb.log", 'initdb', '-D', $self->{data}, '-U', 'postgres',
		'-A', 'trust', '-E', 'UTF8', '--locale=C');
	append_file("$self->{data}/postgresql.conf",
		map { "$_ = '$conf{$_}'\n" } sort keys %conf);
	append_file("$dir/io_msg.keys", "$DB bench key\n$DB other other-primary-key\n");
	chmod(0600, "$dir/io_msg.keys");
	run_quietly("$dir/start.log", 'pg_ctl', '-D', $self->{data}, '-l', "$dir/server.log",
		'-w', '-t', 600, $ENV{BENCH_POSTGRES} ? ('-p', $ENV{BENCH_POSTGRES}) : (), 'start');
	open(my $fh, '<', "$self->{data}/postmaster.pid") or die "no postmaster.pid\n";
	chomp($self->{postmaster} = <$fh>);
	$self->create;
	return $self;
}

# Its database, with io_msg.
sub create
{
	my ($self) = @_;

	$self->sql("CREATE DATABASE $self->{db}", 'postgres');
	$self->sql('CREATE EXTENSION io_msg; CREATE EXTENSION pg_walinspect');
	$self->{oid} = $self->sql('SELECT oid FROM pg_database WHERE datname = current_database()');
	return;
}

# The same server's view from another database, made for it.  Each service of
# it has a key of its own.
sub another
{
	my ($self, $db, @services) = @_;
	my $other = bless { %$self, db => $db }, ref $self;

	$self->add_keys($db, @services);
	$other->create;
	return $other;
}

sub add_keys
{
	my ($self, $db, @services) = @_;

	append_file("$self->{dir}/io_msg.keys", map { "$db $_ key-$db-$_\n" } @services);
	$self->sql('SELECT pg_reload_conf()', 'postgres');
	return;
}

sub stop
{
	my ($self, $mode) = @_;

	run_quietly("$self->{dir}/stop.log", 'pg_ctl', '-D', $self->{data}, '-m', $mode // 'immediate',
		'-w', '-t', 600, 'stop');
	return;
}

# Runs a command with its output in a file; dies with the file's end.
sub run_quietly
{
	my ($log, @command) = @_;
	my $quoted = join ' ', map { "'$_'" } @command;

	return if system("$quoted >'$log' 2>&1 </dev/null") == 0;
	die "$command[0] failed:\n" . `tail -n 20 '$log'`;
}

# What a command prints, its errors included; dies when it fails.
sub output_of
{
	my (@command) = @_;
	my $pid = open(my $fh, '-|') // die "fork: $!\n";

	if ($pid == 0)
	{
		open(STDIN, '<', '/dev/null');
		open(STDERR, '>&', \*STDOUT);
		exec { $command[0] } @command or exit 127;
	}
	my @lines = <$fh>;
	close($fh) or die "$command[0] failed:\n", @lines;
	return @lines;
}

sub append_file
{
	my ($path, @lines) = @_;

	open(my $fh, '>>', $path) or die "$path: $!\n";
	print $fh @lines;
	close($fh) or die "$path: $!\n";
	return;
}

sub psql_command
{
	my ($self, $db, @more) = @_;

	return ('psql', '-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1', '-h', $self->{socket},
		'-U', 'postgres', '-d', $db // $self->{db}, @more);
}

# Runs SQL and returns what it prints, without the last line feed.
sub sql
{
	my ($self, $sql, $db) = @_;

	open(my $fh, '-|', $self->psql_command($db, '-c', $sql)) or die "psql: $!\n";
	my $text = join '', <$fh>;
	close($fh) or die "psql failed on: $sql\n";
	chomp($text);
	return $text;
}

# Milliseconds that one statement took, as psql's \timing has it.
sub time_ms
{
	my ($self, $sql, @before) = @_;

	open(my $fh, '-|', $self->psql_command(undef, (map { ('-c', $_) } @before),
			'-c', '\timing on', '-c', $sql)) or die "psql: $!\n";
	my @lines = <$fh>;
	close($fh) or die "psql failed on: $sql\n";
	my ($ms) = map { /^Time: ([\d.]+) ms/ ? $1 : () } @lines;
	return $ms // die "no time for: $sql\n";
}

# Sets io_msg's settings for all, and has them taken over.
sub set
{
	my ($self, %settings) = @_;

	$self->sql("ALTER SYSTEM SET $_ = '$settings{$_}'") foreach sort keys %settings;
	$self->sql('SELECT pg_reload_conf()');
	sleep(0.1);
	return;
}

sub children
{
	my ($self) = @_;

	open(my $fh, '<', "/proc/$self->{postmaster}/task/$self->{postmaster}/children") or return ();
	return split ' ', <$fh> // '';
}

sub title_of
{
	my ($pid) = @_;

	open(my $fh, '<', "/proc/$pid/cmdline") or return '';
	my $title = <$fh> // '';
	$title =~ tr/\0/ /;
	return $title;
}

# This database's drainer's or the launcher's process, undef if there is none.
sub worker
{
	my ($self, $which) = @_;
	my $title = $which eq 'drainer' ? "$which for database $self->{oid}\\b" : $which;

	return (grep { title_of($_) =~ /io_msg $title/ } $self->children)[0];
}

# Microseconds of CPU that a process has used, all its threads.
sub cpu_of
{
	my ($pid) = @_;
	my $ns = 0;

	foreach my $path (glob("/proc/$pid/task/*/schedstat"))
	{
		open(my $fh, '<', $path) or next;
		$ns += (split ' ', <$fh> // '0')[0];
	}
	return $ns / 1000;
}

# CPU used so far by each process of the server.
sub cpu
{
	my ($self) = @_;

	return { map { $_ => cpu_of($_) } $self->{postmaster}, $self->children };
}

# Microseconds between two of those: of all and of the drainer alone.
sub cpu_between
{
	my ($self, $before, $after) = @_;
	my $drainer = $self->worker('drainer') // 0;
	my $all = 0;

	$all += $after->{$_} - ($before->{$_} // 0) foreach keys %$after;
	return ($all, ($after->{$drainer} // 0) - ($before->{$drainer} // 0));
}

# How many descriptors a process has open.
sub descriptors
{
	my ($pid) = @_;

	opendir(my $dir, "/proc/$pid/fd") or return 0;
	return scalar grep { !/^\./ } readdir($dir);
}

# Kilobytes that are a process's own.  A page of shared memory that nobody else
# has touched yet counts as private for the kernel, and not here.
sub private_kb
{
	my ($pid) = @_;
	my ($kb, $is_shared) = (0, 0);

	open(my $fh, '<', "/proc/$pid/smaps") or return;
	while (<$fh>)
	{
		$is_shared = $1 eq 's' if /^[0-9a-f]+-[0-9a-f]+ ...(.)/;
		$kb += $1 if !$is_shared && /^Private_\w+:\s+(\d+) kB/;
	}
	return $kb;
}

# How often a process has gone to sleep of itself, and so been woken.
sub wakeups
{
	my ($pid) = @_;

	open(my $fh, '<', "/proc/$pid/status") or return 0;
	return (map { /^voluntary_ctxt_switches:\s+(\d+)/ ? $1 : () } <$fh>)[0];
}

# Where the log ends that is on disk; a commit that waits for it comes first.
sub lsn
{
	my ($self) = @_;

	$self->sql("SELECT pg_logical_emit_message(true, 'bench', '')");
	return $self->sql('SELECT pg_current_wal_flush_lsn()');
}

# WAL between two places by type of record: [type, count, bytes, image bytes].
sub wal_by_type
{
	my ($self, $from, $to) = @_;
	my $rows = $self->sql(qq{SELECT "resource_manager/record_type", count, record_size, fpi_size
		FROM pg_get_wal_stats('$from', '$to', true) WHERE count > 0 ORDER BY record_size DESC});

	return map { [ split /\|/ ] } split /\n/, $rows;
}

# Waits until SQL says t.
sub wait_for
{
	my ($self, $sql, $seconds) = @_;
	my $end = time + ($seconds // 120);

	until ($self->sql($sql) eq 't')
	{
		die "this did not become true: $sql\n" if time > $end;
		sleep(0.05);
	}
	return;
}

# Has the drainer leave by itself, as it does when sending is off, and leaves
# that so: one that is ended from outside would count as failed.
sub end_drainer
{
	my ($self) = @_;
	my $end = time + 60;

	$self->set('io_msg.enabled' => 'off');
	while ($self->worker('drainer'))
	{
		die "the drainer does not leave\n" if time > $end;
		sleep(0.02);
	}
	return;
}

1;
