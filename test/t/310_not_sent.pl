# When the host cannot be reached, or must not be, nothing leaves, nothing
# counts as an attempt, and all goes on by itself once that has changed.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Test::More;

use PostgreSQL::Test::Utils;

use IoMsgFlow;
use IoMsgTest;

# A certificate that nobody trusts but who is told to.
my $dir = PostgreSQL::Test::Utils::tempdir();
system_or_bail('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=sandbox',
	'-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem");
my @tls = (cert => "$dir/cert.pem", key => "$dir/key.pem", quota => 0);
my $plain = start_sandbox(quota => 0);
my $gone = start_sandbox(quota => 0, service => 'gone');
my $tls = start_sandbox(@tls, service => [ 'tls', 'proxied' ]);

# The environment's proxies lead nowhere.
my $node;
{
	local @ENV{qw(http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY)} = ('http://127.0.0.1:9') x 5;
	$node = flow_node('not_sent', 'io_msg.poll_delay' => '1h', 'io_msg.idle_exit' => '200ms', 'io_msg.connect_timeout' => '2s',
		'io_msg.allowed_hosts' => '127.0.0.1, no-such-host.invalid, 192.0.2.1');
}
my $citizen = 0;

sub set_url
{
	my ($account, $url, $proxy) = @_;

	$node->safe_psql('postgres', 'UPDATE io_msg.account SET base_url = ' . sql_literal($url)
		  . ', proxy = ' . sql_literal($proxy) . " WHERE name = '$account'");
	return;
}

# A row that has been tried and is still there, none of its attempts gone.
sub stays_queued
{
	my ($id, $what) = @_;
	my $row = row_of($node, $id);

	is("$row->{status} $row->{attempts} $row->{message_id}", 'queued 0 ', "$what: the row waits, no attempt is counted");
	return;
}

sub logged { my ($pattern, $what) = @_; return ok(poll_until(sub { log_has($node, $pattern) }), $what); }

add_services($node, $plain, steady => {}, profiled => { account => 'dns' }, strange => { account => 'strange' });
$gone->stop;
{
	no warnings 'redefine';
	local *IoMsgSandbox::service = sub { };
	add_services($node, $gone, gone => { account => 'gone' });
}
add_services($node, $tls, tls => { account => 'tls' }, proxied => { account => 'proxied' });
set_url('dns', 'https://no-such-host.invalid/api/v1');

# Nobody listens; the message has its profile already, so it is the POST.
know_profile($node, 'gone', 1);
my %id = (post => enqueue($node, 1, service => 'gone'), profile => enqueue($node, 2, service => 'gone'),
	dns => enqueue($node, 3, service => 'profiled'), tls => enqueue($node, 4, service => 'tls'));
my $port = $gone->port;
logged(qr/io_msg cannot reach "http:\/\/127\.0\.0\.1:$port\/api\/v1": Couldn't connect/, 'refused: the log says so');
logged(qr/io_msg cannot reach "https:\/\/no-such-host\.invalid\/api\/v1": Couldn't resolve/, 'no such name: the log says so');
logged(qr/io_msg cannot reach "https:\/\/127\.0\.0\.1:\d+\/api\/v1": SSL peer certificate/, 'a certificate that is not trusted: the log says so');
wait_for_status($node, enqueue($node, 5, service => 'steady'), 'sent');
ok(poll_until(sub { row_of($node, $id{post})->{reason} eq 'not_sent' }), 'the reason is kept');
stays_queued($id{$_}, $_) foreach sort keys %id;
is(scalar $tls->journal, 0, 'no request was made to the untrusted host');

# The host comes back.
$gone->restart;
wait_for_status($node, $id{$_}, 'sent') foreach qw(post profile);
is(row_of($node, $id{$_})->{attempts}, 1, "$_: one attempt") foreach qw(post profile);
is(scalar $gone->ledger, 2, 'two accepted');
set_url('dns', $plain->base_url);
wait_for_status($node, $id{dns}, 'sent');

# The authority is made known.
set_and_reload($node, 'io_msg.ca_file' => "$dir/cert.pem");
wait_for_status($node, $id{tls}, 'sent');
is(scalar $tls->ledger, 1, 'accepted over TLS');

# A name that the certificate has not is not the host.
set_and_reload($node, 'io_msg.allowed_hosts' => '127.0.0.1, localhost');
(my $other = $tls->base_url) =~ s/127\.0\.0\.1/localhost/;
set_url('strange', $other);
my $strange = enqueue($node, 6, service => 'strange');
logged(qr/io_msg cannot reach "https:\/\/localhost:\d+\/api\/v1": SSL peer certificate/, 'a certificate of another name is refused');
stays_queued($strange, 'other name');

# A proxy is used where an account has one: CONNECT, and TLS through it.
my $listen = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die "listen: $!\n";
my $proxy_log = "$dir/proxy.log";
my $proxy_pid = fork() // die "fork: $!\n";
run_proxy($listen, $proxy_log) if $proxy_pid == 0;
my $proxy_url = 'http://127.0.0.1:' . $listen->sockport;
close($listen);
set_url('proxied', $tls->base_url, $proxy_url);
wait_for_status($node, enqueue($node, 7, service => 'proxied'), 'sent');
is(slurp_file($proxy_log), 'CONNECT 127.0.0.1:' . $tls->port . " HTTP/1.1\n", 'through the proxy, which sees the host alone');
kill('KILL', $proxy_pid);
waitpid($proxy_pid, 0);
ok(poll_until(sub { !drainer_pids($node) }), 'the worker rests, its tunnel is closed');
my $no_proxy = enqueue($node, 8, service => 'proxied');
ok(poll_until(sub { row_of($node, $no_proxy)->{status} ne 'queued'
	|| slurp_file($node->logfile) =~ /cannot reach "\Q${\$tls->base_url}\E": Couldn't connect/ }), 'the proxy is gone');
stays_queued($no_proxy, 'and never gone round');
set_url('proxied', $tls->base_url, undef);
wait_for_status($node, $no_proxy, 'sent');

# Addresses that are not listed, or not fit.
my @refused = (
	[ 'not listed', 'https://api.example.org/api/v1', '127.0.0.1' ],
	[ 'http beyond loopback', 'http://192.0.2.1/api/v1', '192.0.2.1' ],
	[ 'loopback not listed', $plain->base_url, 'api.io.pagopa.it' ],
	[ 'another port', $plain->base_url, '127.0.0.1:1' ],
	[ 'a listed name that only begins so', 'https://127.0.0.1.example.org/', '127.0.0.1' ]);
foreach my $case (@refused)
{
	my ($what, $url, $hosts) = @$case;

	# In this order neither is ever allowed with the one before of the other.
	set_url('strange', $url);
	set_and_reload($node, 'io_msg.allowed_hosts' => $hosts);
	my $calls = () = $plain->journal;
	my $id = enqueue($node, ++$citizen + 100, service => 'strange');
	$node->safe_psql('postgres', "SELECT io_wait($id, '300 ms')");
	stays_queued($id, $what);
	is(scalar(() = $plain->journal), $calls, "$what: no call");
	like(health($node), qr/^error host_not_allowed: service "strange": /m, "$what: io_health says it");
	like(explanation($node, $id), qr/io_msg\.allowed_hosts/, "$what: io_explain says it");
}
set_and_reload($node, 'io_msg.allowed_hosts' => '127.0.0.1');
set_url('strange', $plain->base_url);
wait_for_status($node, $strange, 'sent');
wait_until($node, "SELECT count(*) = 0 FROM io_msg.outbox o JOIN io_msg.service s ON s.id = service_id WHERE s.name = 'strange' AND status <> 'sent'", 'all of them, once the address is allowed');
wait_for_status($node, enqueue($node, 9, service => 'steady'), 'sent');

log_is_clean($node);
$node->stop;
done_testing();

# A proxy that knows CONNECT, one tunnel at a time for each of its children.
sub run_proxy
{
	my ($listen, $log) = @_;

	local $SIG{CHLD} = 'IGNORE';
	while (my $client = $listen->accept)
	{
		next if fork;
		my $line = <$client>;
		while (<$client>) { last if /^\r?\n$/; }
		$line =~ s/\r\n//;
		PostgreSQL::Test::Utils::append_to_file($log, "$line\n");
		my ($host) = $line =~ /^CONNECT (\S+)/;
		my $server = IO::Socket::INET->new(PeerAddr => $host) or POSIX::_exit(1);
		syswrite($client, "HTTP/1.1 200 OK\r\n\r\n");
		my $both = IO::Select->new($client, $server);
		for (;;)
		{
			foreach my $from ($both->can_read)
			{
				sysread($from, my $bytes, 65536) or POSIX::_exit(0);
				syswrite($from == $client ? $server : $client, $bytes);
			}
		}
	}
	POSIX::_exit(0);
}
