# A standby that replicates asynchronously takes over while the old primary
# runs on and reaches IO: no message is accepted twice.  What was queued is
# held, for the old primary may send it; what was being sent is uncertain; what
# is new flows at once.  The old primary is rewound, follows, and takes over
# again.  IOMSG_FAILOVERS is how often (2).

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgFailover;

my $pair = IoMsgFailover->start;

$pair->failover for 1 .. $ENV{IOMSG_FAILOVERS} // 2;
cmp_ok($pair->{sum}{held}, '>', 0, 'messages were held');
cmp_ok($pair->{sum}{held_at_io}, '>', 0, 'and some of them the old primary had sent');
$pair->release_what_never_left;
$pair->finish;
done_testing();
