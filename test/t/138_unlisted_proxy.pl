# Nothing goes through a proxy that io_msg.allowed_hosts does not list: it would
# see where to, and over http all of the message and the key.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use IO::Socket::INET;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

# A proxy that only counts who comes.
my $proxy = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', Blocking => 0)
  or die "no socket: $!\n";
my $port = $proxy->sockport;
my $visits = 0;

sub visits
{
	while (my $visitor = $proxy->accept)
	{
		$visits++;
		close($visitor);
	}
	return $visits;
}

my $node = flow_node('main', 'io_msg.allowed_hosts' => '127.0.0.1', 'io_msg.idle_exit' => '200ms');
my $io = start_sandbox(quota => 0);

add_services($node, $io, tari => { account => 'proxied' }, steady => {});
my $url = $io->base_url;
$node->safe_psql('postgres', "UPDATE io_msg.account SET base_url = '" . $url =~ s/^http:/https:/r
	  . "', proxy = 'http://localhost:$port' WHERE name = 'proxied'");
my @ids = enqueue_many($node, 1, 3, service => 'tari');
wait_for_status($node, enqueue($node, 10, service => 'steady'), 'sent');
ok(poll_until(sub { !drainer_pids($node) }), 'the drainer has looked and has left');
is(visits(), 0, 'nobody has come to the proxy');
is(scalar(map { calls_to($io, $_) } 1 .. 3), 0, 'nor to IO without it');
is(status_of($node, $_), 'queued', "row $_ waits") foreach @ids;
like(health($node), qr/^error host_not_allowed: service "tari": .*proxy/m, 'io_health says it');
like(explanation($node, $ids[0]), qr/the address of the service "tari" may not be called: .*proxy/, 'io_explain too');

# Listed with another port it is not listed.
set_and_reload($node, 'io_msg.allowed_hosts' => '127.0.0.1,localhost:' . ($port == 1 ? 2 : 1));
wait_for_status($node, enqueue($node, 11, service => 'steady'), 'sent');
ok(poll_until(sub { !drainer_pids($node) }), 'it has looked again');
is(visits(), 0, 'nobody has come to the proxy');

# Listed, it is used.
set_and_reload($node, 'io_msg.allowed_hosts' => "127.0.0.1,localhost:$port");
ok(poll_until(sub { visits() > 0 }), 'once it is listed, calls go there');
unlike(health($node), qr/host_not_allowed/, 'and io_health is content');
is(scalar(map { calls_to($io, $_) } 1 .. 3), 0, 'and not to IO without it');

# Without a proxy they are sent.
$node->safe_psql('postgres', "UPDATE io_msg.account SET base_url = '$url', proxy = NULL WHERE name = 'proxied'");
wait_for_status($node, $_, 'sent') foreach @ids;
is(scalar(() = $io->ledger), 5, 'each once');
log_is_clean($node);
$node->stop;
done_testing();
