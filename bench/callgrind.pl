# callgrind.pl: queues messages and drains them, for bench/callgrind.sh.
#
#	perl bench/callgrind.pl WORK-DIR BIN-DIR COUNT

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;

use BenchRun;

my ($work, $bin, $count) = @ARGV;
my $bench = BenchRun->new(work => $work, bin => $bin, scale => $count / 60000, quick => 1);
my $server = $bench->{server};

$server->set('io_msg.enabled' => 'off', 'io_msg.max_in_flight' => 50);
$server->sql(BenchRun::enqueue_sql($count));
$server->set('io_msg.enabled' => 'on');
$bench->wait_until_sent;

# The processes write what they counted when they end.
$server->end_drainer;
$bench->stop('fast');
