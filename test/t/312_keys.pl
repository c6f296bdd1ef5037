# A key that IO refuses, or a key file that cannot be used, stops one service:
# its rows stay as they are, the others go on, people are told why, and a
# mended key is enough to go on.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use JSON::PP;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $node = flow_node('keys', 'io_msg.poll_delay' => '1h', 'io_msg.idle_exit' => '200ms');
my $io = start_sandbox(quota => 0);
my $citizen = 0;

add_services($node, $io, steady => {}, tari => {}, single => { keys => ['single-primary-key'] }, imu => {}, wrong => {});
my @lines = @{ $node->{iomsg_keys} };

sub lines_with { my ($service, @keys) = @_; return ((grep { !/ $service / } @lines), @keys ? "postgres $service @keys" : ()); }
sub stop_of { my ($service) = @_; return stopped_services($node)->{$service} // ''; }
sub goes_on { return wait_for_status($node, enqueue($node, ++$citizen, service => 'steady'), 'sent'); }

# The second key steps in.
wait_for_status($node, enqueue($node, ++$citizen, service => 'tari'), 'sent');
$io->set_keys('tari', revoke => 'primary');
my $n = ++$citizen;
my $id = enqueue($node, $n, service => 'tari');
wait_for_status($node, $id, 'sent');
is(row_of($node, $id)->{attempts}, 1, 'the refused key is no attempt');
is((grep { $_->{fiscal_code} eq fiscal_code($n) } $io->ledger)[0]{key}, 'secondary', 'sent with the secondary key');
is(stop_of('tari'), '', 'the service goes on');
ok(log_has($node, qr/io_msg service "tari" uses its secondary key/), 'the log says so');

# Rotation: a new primary key, the secondary revoked.
$io->set_keys('tari', primary => 'tari-new-primary-key', revoke => 'secondary');
write_keys($node, lines_with('tari', 'tari-new-primary-key', 'tari-secondary-key'));
wait_for_status($node, enqueue($node, ++$citizen, service => 'tari'), 'sent');

# Both refused: the service stops, rows stay; a new key in the file is enough.
$io->set_keys('tari', revoke => 'all');
my @waiting = map { enqueue($node, ++$citizen, service => 'tari') } 1 .. 20;
ok(poll_until(sub { stop_of('tari') eq 'key_refused' }), 'both refused: stopped');
goes_on();
is_deeply({ map { ("$_->{status} $_->{attempts}" => 1) } values %{ rows_of($node, @waiting) } }, { 'queued 0' => 1 },
	'no row has failed, no attempt is counted');
like(health($node), qr/^error service_stopped: service "tari": stopped since .*: IO does not accept the service's key$/m, 'io_health says it');
like(explanation($node, $waiting[0]), qr/the service "tari" is stopped since .*does not accept the service's key \(HTTP status 401\)/, 'io_explain too');
settle_requests($io);
my $calls = grep { $_->{status} == 401 } $io->journal;
cmp_ok($calls, '<=', 44, 'IO was not asked again and again');
$io->set_keys('tari', primary => 'tari-third-primary-key');
write_keys($node, lines_with('tari', 'tari-third-primary-key'));
wait_for_status($node, $_, 'sent') foreach @waiting[ 0, -1 ];
ok(poll_until(sub { stop_of('tari') eq '' }), 'a new key resumes it');
@lines = @{ $node->{iomsg_keys} };

# One key only.
$io->set_keys('single', revoke => 'primary');
$id = enqueue($node, ++$citizen, service => 'single');
ok(poll_until(sub { stop_of('single') eq 'key_refused' }), 'the only key refused: stopped');
goes_on();
$io->set_keys('single', primary => 'single-primary-key');
is($node->safe_psql('postgres', "SELECT io_resume('single')"), 't', 'io_resume tries again');
wait_for_status($node, $id, 'sent');

# IO takes the primary key again, but not the secondary: io_resume tries both.
$io->set_keys('imu', revoke => 'all');
$id = enqueue($node, ++$citizen, service => 'imu');
ok(poll_until(sub { stop_of('imu') eq 'key_refused' }), 'both refused');
$io->set_keys('imu', primary => 'imu-primary-key');
$node->safe_psql('postgres', "SELECT io_resume('imu')");
wait_for_status($node, $id, 'sent');

# A 403 that is about the service.
$io->service('wrong', exists => $false);
$id = enqueue($node, ++$citizen, service => 'wrong');
ok(poll_until(sub { stop_of('wrong') eq 'forbidden' }), '403: stopped');
like(explanation($node, $id), qr/stopped since .*IO refuses the service/, 'in words');
$node->safe_psql('postgres', "SELECT io_resume('wrong')");
ok(poll_until(sub { stop_of('wrong') eq 'forbidden' }), 'resumed too early: stopped again');
$io->service('wrong', exists => $true);
is($node->safe_psql('postgres', "SELECT io_resume('wrong')"), 't', 'resumed');
wait_for_status($node, $id, 'sent');
is(row_of($node, $id)->{attempts}, 1, 'no attempt was lost');

# The file.  Each fault, what io_health says, then mended.
my $path = $node->basedir . '/io_msg.keys';
my $good = join '', map { "$_\n" } @lines;

sub write_file
{
	my ($text, $mode) = @_;

	unlink $path;
	return unless defined $text;
	open(my $fh, '>', $path) or die "$path: $!\n";
	chmod($mode // 0600, $fh);
	print $fh $text;
	close($fh);
	return;
}

my $bad = $good =~ s/^(postgres tari .*)$/$1 x y z/mr;
my @faults = (
	[ 'missing', sub { write_file() }, qr/the key file does not exist/ ],
	[ 'empty', sub { write_file('') }, qr/the key file has no line for it/ ],
	[ 'readable by others', sub { write_file($good, 0644) }, qr/the key file is refused: others can read it/ ],
	[ 'a link', sub { write_file(); symlink('/dev/null', $path) }, qr/the key file cannot be read/ ],
	[ 'in the data directory', sub {
		write_file($good);
		rename($path, $node->data_dir . '/io_msg.keys') or die "rename: $!\n";
		set_and_reload($node, 'io_msg.keys_file' => $node->data_dir . '/io_msg.keys') },
		qr/lies in the data directory/ ],
	[ 'a key with a blank', sub { write_file($bad) }, qr/its line in the key file is malformed/ ],
	[ 'no key in the line', sub { write_file($good =~ s/^postgres tari .*$/postgres tari/mr) }, qr/malformed/ ],
	[ 'a key of other bytes', sub { write_file($good =~ s/^(postgres tari) .*$/$1 k\xc3\xa8y/mr) }, qr/malformed/ ],
	[ 'the line of another database', sub { write_file($good =~ s/^postgres tari/other tari/mr) }, qr/has no line for it/ ],
);
foreach my $fault (@faults)
{
	my ($what, $break, $told) = @$fault;
	my $whole = $what =~ /missing|empty|others|link|directory/;

	$break->();
	$node->reload;
	ok(poll_until(sub { health($node) =~ /^error no_key: service "tari": .*$told/m }), "$what: io_health says it");
	ok(poll_until(sub { !drainer_pids($node) }), "$what: the worker rests") if $whole;
	goes_on() unless $whole;
	my $id = enqueue($node, ++$citizen, service => 'tari');
	$node->safe_psql('postgres', "SELECT io_wait($id, '300 ms')");
	my $row = row_of($node, $id);
	is("$row->{status} $row->{attempts} $row->{reason}", 'queued 0 ', "$what: the row waits");
	like(explanation($node, $id), qr/the service "tari" has no key: .*$told/, "$what: io_explain says it");
	unlink $node->data_dir . '/io_msg.keys';
	write_file($good);
	set_and_reload($node, 'io_msg.keys_file' => $path);
	wait_for_status($node, $id, 'sent');
}

# Forms that are fine.
write_file("# keys\r\n\r\n" . $good =~ s/\n/\r\n/gr);
$node->reload;
wait_for_status($node, enqueue($node, ++$citizen, service => 'tari'), 'sent');
write_file($good =~ s/^postgres tari (\S+)$/\t"postgres"   "tari"\t$1  # comment/mr =~ s/\n$//r);
$node->reload;
wait_for_status($node, enqueue($node, ++$citizen, service => 'tari'), 'sent');

is($node->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox WHERE status <> 'sent'"), 0, 'in the end all is sent');
is(scalar $io->ledger, $node->safe_psql('postgres', 'SELECT count(*) FROM io_msg.outbox'), 'each once');
log_is_clean($node, qr/k\xc3\xa8y/);
$node->stop;
done_testing();
