# IoMsgFaults.pm: having things go wrong at a point of the worker's code.
#
#   my $node = fault_node('matrix');
#   order($node, 'before_request:kill:1');     # the first time it gets there
#   ...
#   ok(is_met($node, 'before_request'), 'it got there');
#   order($node, '');
#
# Only with a library that was built with "make FAULTS=1", see src/fault.c.

package IoMsgFaults;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);

use PostgreSQL::Test::Utils;

use IoMsgTest;

our @EXPORT = qw(fault_node order times_met is_met attempt is_up await_server
  resume fault_points);

# A server whose orders are in a file of their own, which can be written while
# the server is down, too.  Otherwise as iomsg_node.
sub fault_node
{
	my ($name, %settings) = @_;
	my $start = delete $settings{start} // 1;
	my $node = iomsg_node($name,
		'restart_after_crash' => 'on',
		'io_msg.retry_delay' => '20ms',
		'io_msg.idle_exit' => '200ms',
		%settings,
		start => 0);

	$node->append_conf('postgresql.conf', "include_if_exists = 'faults.conf'");
	return $node unless $start;
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION io_msg');
	return $node;
}

# What is to go wrong from now on; the times that points are met are counted
# anew.  Where the server is up it knows when this returns.
sub order
{
	my ($node, $orders) = @_;
	my $data = $node->data_dir;

	unlink glob("$data/io_msg_fault.*");
	open(my $fh, '>', "$data/faults.conf.new") or die "$data/faults.conf.new: $!\n";
	print $fh "io_msg.fault = '$orders'\n";
	close($fh);
	rename("$data/faults.conf.new", "$data/faults.conf") or die "$data/faults.conf: $!\n";
	return unless is_up($node);
	$node->reload;
	# What has struck at once may have ended it.
	die "io_msg.fault is not set\n"
	  unless poll_until(sub { (() = glob("$data/io_msg_fault.*"))
			|| (attempt($node, 'SHOW io_msg.fault') // '') eq $orders });
	return;
}

# How often a point was met since the last order, where that was about it.
sub times_met
{
	my ($node, $point) = @_;

	return (-s $node->data_dir . "/io_msg_fault.$point") // 0;
}

sub is_met { return times_met(@_) > 0; }

# The points that the code knows, in the order of a message's life.
sub fault_points
{
	my @points = slurp_file(tree_dir() . '/src/fault.c') =~ /\{"(\w+)", (?:true|false)\}/g;

	return @points;
}

# What SQL says, undef where the server is not there to answer.
sub attempt
{
	my ($node, $sql) = @_;
	my ($status, $out);

	# Where psql has ended already, writing to it dies.
	eval { ($status, $out) = $node->psql('postgres', $sql); 1 } or return;
	return $status == 0 ? $out : undef;
}

sub is_up
{
	my ($node) = @_;

	return -e $node->data_dir . '/postmaster.pid'
	  && (attempt($node, 'SELECT 1') // '') eq '1';
}

# Waits until the server has come up by itself; where it was shut down, starts
# it.
sub await_server
{
	my ($node, $is_down) = @_;

	if ($is_down)
	{
		die "the server does not end\n"
		  unless poll_until(sub { !-e $node->data_dir . '/postmaster.pid' });
		# It notices that nothing runs any more.
		$node->stop('immediate', fail_ok => 1);
		$node->start;
	}
	die "the server is not back\n" unless poll_until(sub { is_up($node) });
	return;
}

# After crashes on purpose: not a reason to begin nothing.
sub resume
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'SELECT io_resume()');
	return;
}

1;
