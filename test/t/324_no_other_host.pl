# However the address of a host is written or a name is resolved, nothing is
# sent to this machine, its network or its cloud where that was not allowed in
# so many words: nobody even connects.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use IO::Socket::INET;
use Test::More;

use IoMsgFlow;
use IoMsgHostile;
use IoMsgTest;

my $node = hostile_node('hosts', 'io_msg.idle_exit' => '200ms', 'io_msg.connect_timeout' => '2s');
my $io = start_sandbox(quota => 0);

# Who would be reached: on each address of this machine.
my @listeners = (silent_listener('127.0.0.1'));
my $port = $listeners[0]->sockport;
foreach my $address (qw(127.0.0.7 0.0.0.0))
{
	push @listeners, grep { $_ } IO::Socket::INET->new(Listen => 64, LocalAddr => $address, LocalPort => $port, Blocking => 0);
}
SKIP:
{
	skip 'no IPv6', 1 unless eval { require IO::Socket::IP; 1 };
	my $six = IO::Socket::IP->new(Listen => 64, LocalAddr => '::1', LocalPort => $port, Blocking => 0);
	push @listeners, $six if $six;
	ok(1, 'listening on IPv6 where there is any');
}
ok(IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port), 'somebody is there');
my $known = 0;
$known += visitors($_) foreach @listeners;
is($known, 1, 'and notices who comes');

add_services($node, $io, steady => {});
my $account = 0;

# Each URL as the address of an account of its own, with a message: it is no
# address at all, or the message waits; and nobody comes.
sub lead_nowhere
{
	my ($what, $hosts, @urls) = @_;
	my (%id, %service);

	set_and_reload($node, 'io_msg.allowed_hosts' => '127.0.0.1:' . $io->port . ", $hosts");
	foreach my $url (@urls)
	{
		my $name = 'n' . ++$account;
		my ($refused) = $node->psql('postgres', "INSERT INTO io_msg.account (name, base_url) VALUES ('$name', "
			  . sql_literal($url) . "); INSERT INTO io_msg.service (name, account) VALUES ('$name', '$name')");

		ok(1, "$what: $url is no address for an account") if $refused;
		$service{$url} = $name unless $refused;
	}
	my @lines = map { "postgres $_ $_-primary-key" } sort values %service;
	write_keys($node, @lines, 'postgres steady ' . join ' ', $io->keys('steady'));
	foreach my $url (grep { $service{$_} } @urls)
	{
		my $n = next_citizen();
		know_profile($node, $service{$url}, $n);
		$id{$url} = enqueue($node, $n, service => $service{$url});
	}
	wait_for_status($node, enqueue($node, next_citizen(), service => 'steady'), 'sent');
	my ($rows, %refused);
	poll_until(sub {
		my $health = health($node);
		$rows = rows_of($node, values %id);
		%refused = map { ($_ => 1) } grep { $rows->{ $id{$_} }{reason} =~ /^(?:not_sent|guard_refused)$/
			|| $health =~ /^error host_not_allowed: service "$service{$_}":/m } keys %id;
		return keys %refused == keys %id;
	});
	foreach my $url (grep { $service{$_} } @urls)
	{
		my $row = $rows->{ $id{$url} };

		ok($refused{$url}, "$what: $url is refused");
		is("$row->{status} $row->{attempts}", 'queued 0', 'the row waits');
	}
	my $came = 0;
	$came += visitors($_) foreach @listeners;
	is($came, $known, "$what: nobody came");
	$node->safe_psql('postgres', 'SELECT io_cancel(id) FROM io_msg.outbox WHERE status = \'queued\'');
	return map { $rows->{$_}{reason} } values %id;
}

# Not listed, in each way to write it.
my @loopback = ('127.0.0.1', 'localhost', 'LOCALHOST', 'localhost.', '127.0.0.7', '127.1', '2130706433', '0x7f000001', '0x7f.0x0.0x0.0x1',
	'0177.0.0.1', '017700000001', '127.0.0.01', '0', '0.0.0.0', '[::1]', '[::]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]',
	'[64:ff9b::7f00:1]', '[2002:7f00:1::]', '[fe80::1%25lo]', '127.0.0.%31', '127%2e0%2e0%2e1', "\x{ff11}\x{ff12}\x{ff17}.0.0.1", "127\x{3002}0\x{3002}0\x{3002}1",
	'metadata.localhost', 'io.localhost');
utf8::encode($_) foreach @loopback;
my $official = 'api.io.pagopa.it';
lead_nowhere('not listed', $official, map { ("https://$_:$port/api/v1", "http://$_:$port/api/v1") } @loopback);

# A listed name in front, behind, or beside.
lead_nowhere('dressed up', $official, map { "https://$_/api/v1" } "api.io.pagopa.it\@127.0.0.1:$port", "api.io.pagopa.it:443\@127.0.0.1:$port",
	"127.0.0.1:$port#api.io.pagopa.it", "127.0.0.1:$port?api.io.pagopa.it", "127.0.0.1:$port\\\@api.io.pagopa.it", "api.io.pagopa.it\\\@127.0.0.1:$port",
	"127.0.0.1:$port%00.api.io.pagopa.it", "127.0.0.1:$port;api.io.pagopa.it", "api.io.pagopa.it%40127.0.0.1:$port", "127.0.0.1:${port}x", "api.io.pagopa.it:443:$port",
	"\@127.0.0.1:$port", "127.0.0.1:$port:443", ":$port", "[api.io.pagopa.it", "127.0.0.1,api.io.pagopa.it", '127.0.0.1 ', "127.0.0.1:" . ($port + 65536));
lead_nowhere('another scheme', $official, "https:/127.0.0.1:$port/api/v1", "https:///127.0.0.1:$port/api/v1",
	map { "$_//127.0.0.1:$port/api/v1" } qw(ftp: gopher: file: ldap: telnet: dict: smtp: HTTPS:https: https:http: javascript:), '');

# A listed name that leads to where it should not: to this machine, whatever
# the name server says, and to what no name may lead to.
my $host = qx(hostname);
chomp $host;
my @names = ('io.localhost', 'localhost.', $host =~ /^[a-z][a-z0-9-]*$/ && (gethostbyname($host))[4] ? ($host) : ());
my @numbers = qw(2130706433 0x7f000001 127.1 0 0.0.0.0);
my @nobodies = qw(169.254.169.254 [::ffff:169.254.169.254] [64:ff9b::a9fe:a9fe] 192.0.2.1);
lead_nowhere('a listed name of this machine', join(', ', @names), map { ("https://$_:$port/api/v1", "http://$_:$port/api/v1") } @names);
lead_nowhere('listed, but another way to write this machine', join(', ', @numbers), map { "https://$_:$port/api/v1" } grep { $_ ne '127.1' } @numbers);
lead_nowhere('listed, http to a number', join(', ', @numbers), map { "http://$_:$port/api/v1" } grep { $_ ne '127.1' } @numbers);
is(join(' ', lead_nowhere('listed, but nobody\'s', join(', ', @nobodies), map { "https://$_/api/v1" } @nobodies)),
	join(' ', ('guard_refused') x @nobodies), 'no connection was tried to those');
lead_nowhere('listed, but nobody\'s, http', join(', ', @nobodies), map { "http://$_/latest/meta-data" } @nobodies);

# What is listed in so many words is reached.
set_and_reload($node, 'io_msg.allowed_hosts' => '127.0.0.1');
add_services($node, $io, listed => { account => 'listed' });
wait_for_status($node, enqueue($node, next_citizen(), service => 'listed'), 'sent');
ok(!log_has($node, qr/(?:terminated by signal|exited with exit code [1-9])/), 'the worker has never died');
log_is_clean($node);
$node->stop;
done_testing();
