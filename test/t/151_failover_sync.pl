# A standby that replicates synchronously takes over while the old primary runs
# on and reaches IO: no message is accepted twice and none that was committed
# is lost.  The old primary fences itself, since its marks wait for the standby;
# so nothing that is held has been sent.  IOMSG_FAILOVERS is how often (2).

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgFailover;

my $pair = IoMsgFailover->start(synchronous => 1);

$pair->failover for 1 .. $ENV{IOMSG_FAILOVERS} // 2;
is($pair->{sum}{held_at_io}, 0, 'nothing that is held has been sent');
$pair->release_what_never_left;
$pair->finish;
done_testing();
