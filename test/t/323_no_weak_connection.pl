# No certificate is believed that should not be, no setting and no environment
# changes that, and what does not come to a connection is not sent and waits.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use IO::Socket::INET;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;

use PostgreSQL::Test::Utils;

use IoMsgFlow;
use IoMsgHostile;
use IoMsgTest;

my $dir = PostgreSQL::Test::Utils::tempdir();

# An authority of this test, one that nobody trusts, and what they sign.
sub openssl { system_or_bail('openssl', @_); return; }

sub authority
{
	my ($name) = @_;

	openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', "/CN=$name",
		'-keyout', "$dir/$name.key", '-out', "$dir/$name.pem");
	mkdir "$dir/$name.ca";
	PostgreSQL::Test::Utils::append_to_file("$dir/$name.ca/index", '');
	PostgreSQL::Test::Utils::append_to_file("$dir/$name.conf", <<"CONF");
[ca]
default_ca = this
[this]
new_certs_dir = $dir/$name.ca
database = $dir/$name.ca/index
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = copy
certificate = $dir/$name.pem
private_key = $dir/$name.key
[any]
commonName = supplied
CONF
	return;
}

# A certificate for an address or a name, good between two times (YYMMDDHHMMSSZ).
sub certificate
{
	my ($name, $authority, $for, $from, $until) = @_;

	openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=sandbox', '-addext', "subjectAltName=$for",
		'-keyout', "$dir/$name.key", '-out', "$dir/$name.csr");
	openssl('ca', '-batch', '-notext', '-config', "$dir/$authority.conf", '-in', "$dir/$name.csr", '-out', "$dir/$name.pem",
		'-startdate', $from // '200101000000Z', '-enddate', $until // '401231235959Z');
	return (cert => "$dir/$name.pem", key => "$dir/$name.key");
}

authority($_) foreach qw(ours strangers);
my @good = certificate('good', 'ours', 'IP:127.0.0.1');
my %cases = (
	good => [ \@good ],
	expired => [ [ certificate('expired', 'ours', 'IP:127.0.0.1', '200101000000Z', '210101000000Z') ], qr/SSL peer certificate/ ],
	early => [ [ certificate('early', 'ours', 'IP:127.0.0.1', '390101000000Z') ], qr/SSL peer certificate/ ],
	other_address => [ [ certificate('other_address', 'ours', 'IP:127.0.0.2') ], qr/SSL peer certificate/ ],
	other_name => [ [ certificate('other_name', 'ours', 'DNS:api.io.pagopa.it') ], qr/SSL peer certificate/ ],
	untrusted => [ [ certificate('untrusted', 'strangers', 'IP:127.0.0.1') ], qr/SSL peer certificate/ ],
	self_signed => [ [ cert => "$dir/strangers.pem", key => "$dir/strangers.key" ], qr/SSL peer certificate/ ],
	tls_1_1 => [ [ @good, tls_priority => 'NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT' ], qr/SSL connect error/ ],
	tls_1_0 => [ [ @good, tls_priority => 'NORMAL:-VERS-ALL:+VERS-TLS1.0:%COMPAT' ], qr/SSL connect error/ ],
	no_encryption => [ [ @good, tls_priority => 'NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+NULL' ], qr/SSL connect error/ ]);
my @bad = grep { $_ ne 'good' } sort keys %cases;
my %tls = map { ($_ => start_sandbox(@{ $cases{$_}[0] }, quota => 0, service => $_)) } sort keys %cases;

# Those who break off before there is TLS.  Each end of an accepted connection:
my %enders = (
	closed => sub { },
	reset => sub { setsockopt($_[0], SOL_SOCKET, SO_LINGER, pack('II', 1, 0)) },
	reset_after_hello => sub { sysread($_[0], my $hello, 1000); setsockopt($_[0], SOL_SOCKET, SO_LINGER, pack('II', 1, 0)) },
	plain_http => sub { syswrite($_[0], "HTTP/1.1 201 Created\r\nLocation: /x/01J00000000000000000000000\r\n\r\n") },
	noise => sub { syswrite($_[0], join '', map { chr int rand 256 } 1 .. 1000) },
	alert => sub { syswrite($_[0], "\x15\x03\x03\0\x02\x02\x28") },
	silence => sub { sysread($_[0], my $byte, 1) > 0 or last for 1 .. 100000 });
my @helpers;
my %breakers = map { ($_ => breaker($enders{$_})) } sort keys %enders;

# One who takes no connection at all: its queue is full.
my $full = IO::Socket::INET->new(Listen => 0, LocalAddr => '127.0.0.1') or die "listen: $!\n";
my @queued = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $full->sockport, Blocking => 0) } 1 .. 4;

sub breaker
{
	my ($end) = @_;
	my $listener = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1') or die "listen: $!\n";
	my $pid = fork() // die "fork: $!\n";

	if ($pid == 0)
	{
		local $SIG{PIPE} = 'IGNORE';
		while (my $client = $listener->accept)
		{
			$end->($client);
			close($client);
		}
		POSIX::_exit(0);
	}
	push @helpers, $pid;
	return $listener->sockport;
}
END { my $status = $?; kill('KILL', @helpers) if @helpers; $? = $status; }

# One who notes what is sent, and accepts it.
my $heard = "$dir/heard";
my $notes = breaker(sub {
	my ($client) = @_;
	my $request = '';
	while ($request !~ /\r\n\r\n.*\}$/s) { sysread($client, $request, 65536, length($request)) or return; }
	PostgreSQL::Test::Utils::append_to_file($heard, "$request\n\n");
	syswrite($client, "HTTP/1.1 201 Created\r\nSet-Cookie: a=b\r\nLocation: /x/01J00000000000000000000000\r\nContent-Length: 0\r\n\r\n");
});

# The environment of the server is as bad as it can be.
my $proxy = silent_listener();
my $proxy_url = 'http://u:p@127.0.0.1:' . $proxy->sockport;
mkdir "$dir/home";
PostgreSQL::Test::Utils::append_to_file("$dir/home/.netrc", "machine 127.0.0.1 login netrc password netrc-secret\ndefault login netrc password netrc-secret\n");
chmod(0600, "$dir/home/.netrc");
PostgreSQL::Test::Utils::append_to_file("$dir/home/$_", "insecure\nproxy = $proxy_url\nheader = \"X-Curlrc: yes\"\n") foreach qw(.curlrc _curlrc curlrc);
my $node;
{
	local @ENV{qw(http_proxy HTTP_PROXY https_proxy HTTPS_PROXY all_proxy ALL_PROXY socks_proxy)} = ($proxy_url) x 7;
	local @ENV{qw(no_proxy NO_PROXY)} = ('', '');
	local @ENV{qw(HOME CURL_HOME XDG_CONFIG_HOME NETRC)} = ("$dir/home", "$dir/home", "$dir/home", "$dir/home/.netrc");
	local @ENV{qw(SSLKEYLOGFILE CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR)} = ("$dir/tls-secrets", "$dir/strangers.pem", "$dir/strangers.pem", $dir);
	local $ENV{CURL_SSL_BACKEND} = 'none';
	$node = hostile_node('weak', 'io_msg.ca_file' => "$dir/ours.pem", 'io_msg.connect_timeout' => '2s', 'io_msg.idle_exit' => '200ms');
}

# For each a service with an account of its own.
my %urls = ((map { ($_ => $tls{$_}->base_url) } keys %tls),
	(map { ($_ => "https://127.0.0.1:$breakers{$_}/api/v1") } keys %breakers),
	full => 'https://127.0.0.1:' . $full->sockport . '/api/v1',
	notes => "http://127.0.0.1:$notes/api/v1", unknown => 'https://no-such-host.invalid/api/v1', refused => 'https://127.0.0.1:1/api/v1');
set_and_reload($node, 'io_msg.allowed_hosts' => '127.0.0.1, no-such-host.invalid');
$node->safe_psql('postgres', join '', map { "INSERT INTO io_msg.account (name, base_url) VALUES ('$_', '$urls{$_}');"
	  . "INSERT INTO io_msg.service (name, account) VALUES ('$_', '$_');" } sort keys %urls);
write_keys($node, map { "postgres $_ $_-primary-key" } sort keys %urls);
my %citizen = map { ($_ => next_citizen()) } sort keys %urls;
know_profile($node, $_, $citizen{$_}) foreach sort keys %urls;
my %id = map { ($_ => enqueue($node, $citizen{$_}, service => $_)) } sort keys %urls;

wait_for_status($node, $id{good}, 'sent');
is(scalar(() = $tls{good}->ledger), 1, 'a certificate that is right is believed');
wait_for_status($node, $id{notes}, 'sent');
foreach my $name (grep { $_ ne 'good' && $_ ne 'notes' } sort keys %urls)
{
	ok(poll_until(sub { row_of($node, $id{$name})->{reason} eq 'not_sent' }), "$name: not sent");
	my $row = row_of($node, $id{$name});
	is("$row->{status} $row->{attempts} $row->{message_id}", 'queued 0 ', "$name: the row waits, no attempt is counted");
	ok(poll_until(sub { log_has($node, qr/io_msg cannot reach "\Q$urls{$name}\E": \S/) }), "$name: the log says so");
}
foreach my $name (@bad)
{
	ok(log_has($node, qr/io_msg cannot reach "\Q$urls{$name}\E": $cases{$name}[1]/), "$name: and why");
	is(scalar(() = $tls{$name}->journal), 0, "$name: nothing was asked");
}
my $weak = `openssl s_client -connect 127.0.0.1:${\ $tls{tls_1_1}->port } -tls1_1 -cipher 'ALL:\@SECLEVEL=0' </dev/null 2>&1`;
like($weak, qr/Protocol\s*: TLSv1\.1/, 'who offers TLS 1.1 does so');

# What was sent is what is to be sent.
my $sent = slurp_file($heard);
is(scalar(() = $sent =~ /^POST /mg), 1, 'one message');
my ($head) = $sent =~ /^(.*?)\r\n\r\n/s;
is_deeply([ sort map { /^([^:]+):/ ? lc $1 : "? $_" } (split /\r\n/, $head)[ 1 .. ($head =~ tr/\n//) ] ],
	[ qw(accept content-length content-type host ocp-apim-subscription-key user-agent) ], 'with these headers alone');
like($head, qr/\r\nOcp-Apim-Subscription-Key: notes-primary-key(?:\r\n|$)/, 'and the key');

# An authority's file that is of no use is no reason to believe everybody.
PostgreSQL::Test::Utils::append_to_file("$dir/empty.pem", '');
mkdir "$dir/directory";
my @files = ("$dir/none.pem", "$dir/empty.pem", "$dir/directory", "$dir/good.key", '/dev/null', "$dir/strangers.pem");
my @cas = map { "ca$_" } 1 .. @files;
$node->safe_psql('postgres', join '', map { "INSERT INTO io_msg.account (name, base_url) VALUES ('$_', '$urls{good}');"
	  . "INSERT INTO io_msg.service (name, account) VALUES ('$_', '$_');" } @cas);
write_keys($node, @{ $node->{iomsg_keys} }, map { "postgres $_ good-primary-key" } @cas);
foreach my $i (0 .. $#files)
{
	my ($file, $n) = ($files[$i], next_citizen());

	set_and_reload($node, 'io_msg.ca_file' => $file);
	know_profile($node, $cas[$i], $n);
	my $id = enqueue($node, $n, service => $cas[$i]);
	ok(poll_until(sub { row_of($node, $id)->{reason} eq 'not_sent' }), 'authorities in ' . ($file =~ s{.*/}{}r) . ': not sent');
	is(row_of($node, $id)->{status}, 'queued', 'it waits');
}
is(scalar(() = $tls{good}->journal), 1, 'nothing more was asked');
set_and_reload($node, 'io_msg.ca_file' => "$dir/ours.pem");
wait_until($node, q{SELECT bool_and(status = 'sent') FROM io_msg.outbox o JOIN io_msg.service s ON s.id = service_id WHERE s.name ~ '^ca'},
	'with the right file all of it goes');

is(visitors($proxy), 0, 'no proxy of the environment was asked');
ok(!-e "$dir/tls-secrets", 'no secrets of TLS were written');
is($node->safe_psql('postgres', q{SELECT string_agg(name, ' ') FROM pg_settings WHERE name LIKE 'io\_msg.%' AND name ~ 'verif|secur|tls|ssl|_cert|check|trust'}), '',
	'no setting is about it');
is($node->safe_psql('postgres', q{SELECT string_agg(name, ' ') FROM pg_settings WHERE name LIKE 'io\_msg.%' AND context NOT IN ('sighup', 'postmaster')}), '',
	'no setting is for sessions');
is($node->safe_psql('postgres', q{SELECT string_agg(attrelid::regclass || '.' || attname, ' ') FROM pg_attribute
	WHERE attrelid IN ('io_msg.account'::regclass, 'io_msg.service'::regclass) AND attname ~ 'verif|secur|tls|ssl|_cert|trust'}), '', 'nor is a column');
log_is_clean($node, qr/netrc-secret/);
$node->stop;
done_testing();
