# A sandbox for a test: starts sandbox/io-sandbox on a free port, calls it,
# orders faults, reads its ledger and journal, ends it.  Core Perl only.
package IoSandbox;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use Time::HiRes qw(sleep time);

our $KEY = 'sandbox-primary-key';
our $SECONDARY = 'sandbox-secondary-key';

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# The binary: $IO_SANDBOX, or the one built in the tree.
sub binary
{
	return $ENV{IO_SANDBOX} if $ENV{IO_SANDBOX};
	return abs_path(dirname(__FILE__) . '/../../sandbox') . '/io-sandbox';
}

# IoSandbox->start(OPTION...): every citizen is allowed unless options say
# otherwise; ledger and journal are kept in a directory of the object.
sub start
{
	my ($class, @options) = @_;
	my $dir = tempdir('io_sandbox_XXXX', TMPDIR => 1, CLEANUP => 1);
	my $self = bless { dir => $dir }, $class;
	my @command = (
		split(' ', $ENV{IO_SANDBOX_WRAPPER} // ''), binary(),
		'--port', '0', '--port-file', "$dir/port",
		'--ledger', "$dir/ledger", '--journal', "$dir/journal",
		'--all-allowed', @options);

	$self->{pid} = fork() // die "fork: $!";
	if ($self->{pid} == 0)
	{
		open(STDOUT, '>', "$dir/stdout") or die $!;
		exec(@command) or die "cannot run $command[0]: $!";
	}
	my $deadline = time() + 60;
	until (-s "$dir/port")
	{
		die 'the sandbox did not start' if time() > $deadline
			|| waitpid($self->{pid}, 1) != 0;
		sleep(0.01);
	}
	$self->{port} = $self->slurp('port') + 0;
	$self->{root} = "http://127.0.0.1:$self->{port}";
	$self->{url} = "$self->{root}/api/v1";
	return $self;
}

# Ends the sandbox; returns its exit status as in $?.
sub stop
{
	my ($self) = @_;
	return unless $self->{pid};
	kill('TERM', $self->{pid});
	waitpid($self->{pid}, 0);
	delete $self->{pid};
	return $?;
}

sub DESTROY
{
	my ($self) = @_;
	local $?;
	$self->stop;
}

# The content of a file of the sandbox's directory.
sub slurp
{
	my ($self, $name) = @_;
	open(my $file, '<', "$self->{dir}/$name") or return '';
	local $/;
	return <$file> // '';
}

# The lines of "ledger" or "journal", decoded.
sub lines
{
	my ($self, $name) = @_;
	return map { $json->decode($_) } split(/\n/, $self->slurp($name));
}

# A call with any method, path below the base, body (a reference is made
# JSON) and headers; returns HTTP::Tiny's answer with the decoded {json}.
sub call
{
	my ($self, $method, $path, $body, %headers) = @_;
	my $url = $path =~ m{^/admin/} ? $self->{root} : $self->{url};
	my $http = HTTP::Tiny->new(keep_alive => 0, max_redirect => 0,
		timeout => delete $headers{timeout} // 30);
	my %request = (headers => { 'Ocp-Apim-Subscription-Key' => $KEY,
			'Content-Type' => 'application/json', %headers });

	delete $request{headers}{'Ocp-Apim-Subscription-Key'}
		unless defined $request{headers}{'Ocp-Apim-Subscription-Key'};
	$request{content} = ref $body ? $json->encode($body) : $body
		if defined $body;
	my $answer = $http->request($method, $url . $path, \%request);
	$answer->{json} = eval { $json->decode($answer->{content}) };
	return $answer;
}

# A call to the admin path, which must succeed; returns what it says.
sub admin
{
	my ($self, $method, $path, $body) = @_;
	my $answer = $self->call($method, "/admin/$path", $body);
	die "admin $method $path: $answer->{status} $answer->{content}"
		unless $answer->{success};
	return $answer->{json};
}

# Takes all faults away and orders these.
sub faults
{
	my ($self, @faults) = @_;
	$self->admin('DELETE', 'faults');
	return $self->admin('POST', 'faults', \@faults);
}

# A message that IO accepts, with changes to its content.
sub message
{
	my ($self, $code, %content) = @_;
	return { fiscal_code => $code, content =>
			{ subject => 'A subject', markdown => 'm' x 80, %content,
				subject => $content{subject} // 'A long subject' } };
}

# Opens a connection and sends bytes as they are.
sub connect_raw
{
	my ($self, $bytes) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $self->{port}, Timeout => 10) or die "connect: $!";
	print $socket $bytes if defined $bytes;
	$socket->flush;
	return $socket;
}

# The bytes of a request, for connect_raw.
sub raw_request
{
	my ($self, $method, $path, $body) = @_;
	my $text = defined $body ? $json->encode($body) : '';
	return "$method /api/v1$path HTTP/1.1\r\nHost: sandbox\r\n"
		. "Ocp-Apim-Subscription-Key: $KEY\r\nContent-Length: "
		. length($text) . "\r\n\r\n$text";
}

1;
