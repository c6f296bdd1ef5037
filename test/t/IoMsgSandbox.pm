# IoMsgSandbox.pm: an io-sandbox for a test, its admin path and its files.

package IoMsgSandbox;

use strict;
use warnings FATAL => 'all';

use File::Temp qw(tempdir);
use HTTP::Tiny;
use JSON::PP;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

my %running;

# The program: IO_SANDBOX, else the one of this tree.
sub program
{
	return $ENV{IO_SANDBOX} if $ENV{IO_SANDBOX};
	my ($dir) = __FILE__ =~ m{^(.*)/t/[^/]+$};

	return ($dir // 'test') . '/../sandbox/io-sandbox';
}

# Starts the program on a port that the system chooses; the arguments are its
# flags with underscores for dashes, a list repeats one, undef is a flag without
# a value.  Unless they say otherwise all citizens may be written to, and a
# message is processed after 0.2 s.
sub start
{
	my ($class, %flags) = @_;
	my $self = bless { dir => tempdir(CLEANUP => 1), flags => {%flags} }, $class;

	$self->{port} = $flags{port} // 0;
	$self->_launch;
	return $self;
}

sub _launch
{
	my ($self) = @_;
	my $dir = $self->{dir};
	my %flags = (
		ledger => "$dir/ledger",
		journal => "$dir/journal",
		all_allowed => undef,
		processing_delay_ms => 200,
		%{ $self->{flags} },
		port => $self->{port},
		port_file => "$dir/port");
	my @args;

	foreach my $name (sort(CORE::keys(%flags)))
	{
		(my $flag = "--$name") =~ tr/_/-/;
		my $values = ref $flags{$name} ? $flags{$name} : [ $flags{$name} ];

		push @args, defined $_ ? ($flag, $_) : $flag foreach @$values;
	}
	unlink "$dir/port";
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0)
	{
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>>', "$dir/log");
		open(STDERR, '>>', "$dir/log");
		exec { program() } program(), @args or POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	$running{$pid} = 1;
	$self->_await_port;
	return;
}

sub _await_port
{
	my ($self) = @_;
	my $end = time + 60;

	while (time < $end)
	{
		if (open(my $fh, '<', "$self->{dir}/port"))
		{
			my $line = <$fh>;
			if (defined $line && $line =~ /^(\d+)\n/)
			{
				$self->{port} = $1;
				return;
			}
		}
		if (waitpid($self->{pid}, WNOHANG) > 0)
		{
			delete $running{ $self->{pid} };
			die "the sandbox ended at once:\n" . $self->log;
		}
		sleep(0.02);
	}
	die "the sandbox wrote no port\n" . $self->log;
}

# Ends it by SIGTERM, or by another signal.
sub stop
{
	my ($self, $signal) = @_;

	return unless $running{ $self->{pid} };
	kill($signal // 'TERM', $self->{pid});
	waitpid($self->{pid}, 0);
	delete $running{ $self->{pid} };
	return;
}

# Starts it again on the same port, with the same files.
sub restart
{
	my ($self) = @_;

	$self->stop;
	$self->_launch;
	return;
}

sub pid { return $_[0]->{pid}; }
sub port { return $_[0]->{port}; }
sub dir { return $_[0]->{dir}; }
sub is_https { return exists $_[0]->{flags}{cert}; }

sub origin
{
	my ($self) = @_;

	return ($self->is_https ? 'https' : 'http') . "://127.0.0.1:$self->{port}";
}

# What goes into io_msg.account.
sub base_url { return $_[0]->origin . '/api/v1'; }

sub log
{
	my ($self) = @_;

	return join '', _lines("$self->{dir}/log");
}

sub _lines
{
	my ($path) = @_;

	open(my $fh, '<', $path) or return ();
	# The last one may be about to be written.
	return grep { /\n\z/ } <$fh>;
}

# A call of the admin path: returns what it answers, dies on an error.
sub admin
{
	my ($self, $method, $path, $body) = @_;
	my $http = HTTP::Tiny->new(timeout => 60, verify_SSL => 0);
	my $answer;

	# A fault that closes connections at once does not ask whose they are.
	for my $try (1 .. 5)
	{
		$answer = $http->request($method, $self->origin . "/admin/$path",
			defined $body ? { content => encode_json($body),
				headers => { 'Content-Type' => 'application/json' } } : {});
		last if $answer->{status} != 599 || !$running{ $self->{pid} };
		sleep(0.1);
	}

	die "sandbox: $method /admin/$path: $answer->{status} $answer->{content}\n"
	  unless $answer->{success};
	return $answer->{content} =~ /^\s*[\[{]/ ? decode_json($answer->{content}) : undef;
}

# Orders a fault, as in fault(kind => 'hang', route => ..., count => 1); without
# a count it strikes for ever.  JSON::PP::true and false are its booleans.
sub fault { my ($self, %spec) = @_; return $self->admin('POST', 'faults', \%spec); }
sub faults { return $_[0]->admin('GET', 'faults'); }
sub clear_faults { return $_[0]->admin('DELETE', 'faults'); }

# Lets the requests that hang go on, and those that are in the ledger and just
# about to.
sub release
{
	my ($self) = @_;

	$self->admin('POST', 'release');
	sleep(0.2);
	return $self->admin('POST', 'release');
}
sub stats { return $_[0]->admin('GET', 'stats'); }

# Sets what a citizen is: allowed, unknown, opted_out, inbox_off.
sub profile
{
	my ($self, $fiscal_code, %changes) = @_;

	return $self->admin('PUT', "profiles/$fiscal_code", \%changes);
}

# Changes a message's state, as its reading by the citizen.
sub message
{
	my ($self, $id, %changes) = @_;

	return $self->admin('PUT', "messages/$id", \%changes);
}

# Makes or changes a service of the sandbox.
sub service
{
	my ($self, $name, %changes) = @_;

	return $self->admin('PUT', "services/$name", \%changes);
}

# New keys for a service (primary, secondary) or revoke => primary.
sub set_keys
{
	my ($self, $service, %changes) = @_;

	return $self->admin('POST', 'keys', { service => $service, %changes });
}

sub quota { my ($self, %quota) = @_; return $self->admin('PUT', 'quota', \%quota); }

# The keys that the sandbox gives to a service of this name.
sub keys
{
	my ($self, $service) = @_;
	my $prefix = $service eq 'default' ? 'sandbox' : $service;

	return ("$prefix-primary-key", "$prefix-secondary-key");
}

# The accepted messages (ledger) and all calls (journal), as hashes.
sub ledger { return map { decode_json($_) } _lines("$_[0]->{dir}/ledger"); }
sub journal { return map { decode_json($_) } _lines("$_[0]->{dir}/journal"); }

# Whatever way the test ends, no sandbox stays.
END
{
	my $status = $?;

	kill('KILL', CORE::keys %running);
	waitpid($_, 0) foreach CORE::keys %running;
	$? = $status;
}

1;
