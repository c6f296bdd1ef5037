# Whatever stands in the place of the key file, nothing hangs, no row fails and
# no key comes into the log: the rows wait and go once the file is right.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use IO::Socket::UNIX;
use POSIX ();
use Test::More;

use PostgreSQL::Test::Utils;

use IoMsgFlow;
use IoMsgHostile;
use IoMsgTest;

my $node = hostile_node('keyfile', 'io_msg.idle_exit' => '200ms', 'io_msg.max_in_flight' => 8);
my $io = start_sandbox(quota => 0);
my $canary = 'canary-of-a-key-0123456789';

add_services($node, $io, steady => {}, tari => {});
my $path = $node->basedir . '/io_msg.keys';
my $data = $node->data_dir;
my $good = slurp_file($path);
my ($steady) = $good =~ /^(postgres steady .*\n)/m;
my ($tari) = $good =~ /^(postgres tari .*\n)/m;
my $shared = $node->basedir . '/shared';

sub put
{
	my ($text, $mode, $where) = @_;

	$where //= $path;
	unlink $where;
	open(my $fh, '>:raw', $where) or die "$where: $!\n";
	chmod($mode // 0600, $fh);
	print $fh $text;
	close($fh);
	return;
}

sub clear
{
	chmod(0700, $path) if -d $path;
	rmdir $path if -d $path && !-l $path;
	unlink $path;
	return;
}

# What a key may not be, in the line of one service; the canary shows whether
# the log has it.
my %lines = (
	'a control byte inside' => "postgres tari $canary\x01x\n", 'an escape' => "postgres tari $canary\e[2Jx\n",
	'DEL' => "postgres tari $canary\x7f\n", 'a byte above ASCII' => "postgres tari $canary\xff\n", 'other letters' => "postgres tari ${canary}\xc3\xa8\n",
	'a return inside, then a header' => "postgres tari $canary\rX-Other: 1 y z\n", 'a line end in quotes' => "postgres tari \"$canary\nX-Other: 1\"\n",
	'a blank in quotes' => "postgres tari \"$canary x\"\n", 'a tab in quotes' => "postgres tari \"$canary\tx\"\n", 'an open quote' => "postgres tari \"$canary\n",
	'an empty key' => "postgres tari \"\"\n", 'an empty second key' => "postgres tari $canary \"\"\n", 'a bad second key' => "postgres tari $canary x\x02\n",
	'three keys' => "postgres tari $canary $canary $canary\n", 'a key of 100 kB' => "postgres tari $canary" . 'x' x 100_000 . "\n",
	'a name of 100 kB' => 'postgres ' . 't' x 100_000 . " $canary\n", 'NUL in the key' => "postgres tari ${canary}\0 x y z\n",
	'two words' => "tari $canary\n", 'one word' => "$canary\n", 'a mark of byte order' => "\xef\xbb\xbfpostgres tari $canary\n",
	'JSON' => "{\"tari\": \"$canary\"}\n", 'a key and its name' => "tari=$canary\n", 'another service' => "postgres Tari $canary\n",
	'UTF-16' => join('', map { "$_\0" } split //, "postgres tari $canary\n"));
foreach my $what (sort keys %lines)
{
	put($steady . $lines{$what});
	$node->reload;
	my $told = $what =~ /NUL in the key/ ? qr/key/ : qr/malformed|has no line/;
	my $id = enqueue($node, next_citizen(), service => 'tari');
	wait_for_status($node, enqueue($node, next_citizen(), service => 'steady'), 'sent');
	ok(poll_until(sub { health($node) =~ /^error (?:no_key|service_stopped): service "tari": .*$told/m }), "$what: io_health says it");
	my $row = row_of($node, $id);
	is("$row->{status} $row->{attempts}", 'queued 0', "$what: the row waits");
	put($good);
	$node->reload;
	wait_for_status($node, $id, 'sent');
}

# What the whole file may not be.
my @sockets;
my %files = (
	'a fifo' => [ sub { POSIX::mkfifo($path, 0600) or die "mkfifo: $!\n" }, qr/cannot be read/ ],
	'a directory' => [ sub { mkdir $path, 0700 or die "mkdir: $!\n" }, qr/cannot be read/ ],
	'a socket' => [ sub { push @sockets, IO::Socket::UNIX->new(Local => $path, Listen => 1); chmod(0600, $path) }, qr/cannot be read/ ],
	'a link to the right file' => [ sub { put($good, 0600, "$path.real"); symlink("$path.real", $path) }, qr/cannot be read/ ],
	'a link to nothing' => [ sub { symlink('/nonexistent', $path) }, qr/cannot be read/ ],
	'a link to a device' => [ sub { symlink('/dev/zero', $path) }, qr/cannot be read/ ],
	'a file that we may not read' => [ sub { put($good, 0000) }, qr/cannot be read/ ],
	'readable by the group' => [ sub { put($good, 0640) }, qr/others can read it/ ],
	'readable by all' => [ sub { put($good, 0604) }, qr/others can read it/ ],
	'writable by the group' => [ sub { put($good, 0620) }, qr/others can read it/ ],
	'2 MB' => [ sub { put($good . "# $canary\n" x 60000) }, qr/cannot be read/ ],
	'1 MB of blank lines' => [ sub { put("\n" x 1_000_000) }, qr/no line/ ],
	'noise' => [ sub { srand(7); put(join '', map { chr int rand 256 } 1 .. 100_000) }, qr/malformed/ ],
	'no byte at all' => [ sub { put('') }, qr/no line/ ],
	'gone' => [ sub { }, qr/does not exist/ ]);
foreach my $what (sort keys %files)
{
	local $SIG{ALRM} = sub { die "$what: something hangs\n" };
	alarm(6 * deadline_s());
	clear();
	$files{$what}[0]->();
	$node->reload;
	my $id = enqueue($node, next_citizen(), service => 'tari');
	ok(poll_until(sub { health($node) =~ /^error no_key: service "tari": .*$files{$what}[1]/m }), "$what: io_health says it");
	ok(poll_until(sub { !drainer_pids($node) }), "$what: the worker rests, it does not hang");
	is(status_of($node, $id), 'queued', "$what: the row waits");
	clear();
	put($good);
	$node->reload;
	wait_for_status($node, $id, 'sent');
	alarm(0);
}
@sockets = ();

# In the data directory by whatever way.
mkdir $shared or die "mkdir: $!\n";
rmdir $shared;
symlink($data, $shared);
put($good, 0600, "$data/io_msg.keys");
foreach my $there ("$data/io_msg.keys", "$shared/io_msg.keys", "$data/base/../io_msg.keys", "$data//io_msg.keys")
{
	set_and_reload($node, 'io_msg.keys_file' => $there);
	my $id = enqueue($node, next_citizen(), service => 'tari');
	ok(poll_until(sub { health($node) =~ /^error no_key: service "tari": .*lies in the data directory/m }),
		($there =~ s/.*\/(.*\/.*)/$1/r) . ': io_health says it');
	is(status_of($node, $id), 'queued', 'the row waits');
	set_and_reload($node, 'io_msg.keys_file' => $path);
	wait_for_status($node, $id, 'sent');
}
unlink "$data/io_msg.keys";

# Forms that are right: no line end, many, returns, the first of two lines.
foreach my $text ($steady . $tari =~ s/\n//r, "\n\n$good\n\n", $good =~ s/\n/\r\n/gr, $good =~ s/\n/ \t\r\n/gr, "$good$tari",
	$good . "postgres tari $canary\n", $good . "postgres tari bad key in a third line\n")
{
	put($text);
	$node->reload;
	wait_for_status($node, enqueue($node, next_citizen(), service => 'tari'), 'sent');
}
put($good);
$node->reload;

# Under load: the keys change, the file is gone and comes back, it is written
# in place; then both keys are revoked for a while.
$io->fault(kind => 'latency', ms => 30);
my ($first, $last) = map { next_citizen() } 1, 2;
next_citizen() for 1 .. 298;
my @ids = enqueue_many($node, $first, $first + 299, service => 'tari');
my $left = 'SELECT count(*) FROM io_msg.outbox WHERE status = \'queued\'';
my ($primary, $secondary) = $io->keys('tari');
for (my $i = 0; $i < 60 && $node->safe_psql('postgres', $left) > 60; $i++)
{
	if ($i % 4 == 0) { $primary = "tari-primary-key-$i"; $io->set_keys('tari', primary => $primary); }
	if ($i % 4 == 2) { $secondary = "tari-secondary-key-$i"; $io->set_keys('tari', secondary => $secondary); }
	my $text = "${steady}postgres tari $primary $secondary\n";

	if ($i % 3 == 0) { clear(); $node->reload; put($text) }
	elsif ($i % 3 == 1) { put(substr($text, 0, length($text) - 5)); $node->reload; put($text) }
	else { write_keys($node, split /\n/, $text) }
	$node->reload;
}
$io->set_keys('tari', revoke => 'all');
ok(poll_until(sub { (stopped_services($node)->{tari} // '') eq 'key_refused' || $node->safe_psql('postgres', $left) == 0 }), 'both keys revoked');
is($node->safe_psql('postgres', q{SELECT count(*) FROM io_msg.outbox WHERE status NOT IN ('queued', 'sent')}), 0, 'no row has failed');
wait_for_status($node, enqueue($node, next_citizen(), service => 'steady'), 'sent');
$io->set_keys('tari', primary => 'tari-primary-key-new');
write_keys($node, split /\n/, "${steady}postgres tari tari-primary-key-new");
wait_until($node, q{SELECT bool_and(status = 'sent') FROM io_msg.outbox}, 'with a new key all are sent');
my %times;
$times{ $_->{fiscal_code} }++ foreach $io->ledger;
is_deeply([ grep { $times{$_} > 1 } keys %times ], [], 'none twice');
is(scalar(() = $io->ledger), $node->safe_psql('postgres', 'SELECT count(*) FROM io_msg.outbox'), 'each once');

ok(!log_has($node, qr/(?:terminated by signal|exited with exit code [1-9])/), 'the worker has never died');
log_is_clean($node, qr/canary-of-a-key/, qr/X-Other/);
$node->stop;
done_testing();
