# BenchFar.pm: nginx as the far end, which answers as IO does and does nothing.
#
# /d0, /d50 and /d200 answer after so many milliseconds; an https port does the
# same.  It counts requests and connections itself.

package BenchFar;

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;
use Time::HiRes qw(sleep time);

use BenchServer;

sub free_port
{
	my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0)
	  or die "no free port: $!\n";
	return $socket->sockport;
}

sub program
{
	return (grep { -x } map { "$_/nginx" } split(/:/, $ENV{PATH}), '/usr/sbin')[0]
	  // die "nginx is missing: script/bootstrap --bench\n";
}

# What a place answers after so many milliseconds.
sub locations
{
	my ($ms) = @_;
	my $say = sub {
		my ($status, $body) = @_;

		return "return $status '$body';" if $ms == 0;
		return sprintf("echo_read_request_body; echo_sleep %.3f; echo_status %d; echo -n '%s';",
			$ms / 1000, $status, $body);
	};

	return "location = /d$ms/api/v1/messages { " . $say->(201, '{"id":"$id"}') . " }\n"
	  . "location /d$ms/api/v1/messages/ { " . $say->(200, '{"message":{},"status":"PROCESSED"}') . " }\n"
	  . "location = /d$ms/api/v1/profiles { " . $say->(200, '{"sender_allowed":true}') . " }\n";
}

sub start
{
	my ($class, $dir) = @_;
	my ($module) = glob('/usr/lib*/nginx/modules/ngx_http_echo_module.so');
	my $self = bless { dir => "$dir/nginx", port => free_port(), tls_port => free_port(),
		cert => "$dir/cert.pem", samples => 0 }, $class;
	my $places = join '', map { locations($_) } 0, 50, 200;

	mkdir $self->{dir};
	BenchServer::run_quietly("$dir/openssl.log", qw(openssl req -x509 -newkey rsa:2048 -nodes
		  -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1),
		'-keyout', "$dir/cert.key", '-out', $self->{cert});
	BenchServer::append_file("$self->{dir}/nginx.conf", <<"CONF");
load_module $module;
daemon off;
master_process off;
pid $self->{dir}/pid;
error_log $self->{dir}/error.log;
events { worker_connections 2048; }
http {
	access_log off;
	map \$request_id \$id { "~^(?<beginning>.{26})" \$beginning; }
	default_type application/json;
	keepalive_requests 100000000;
	keepalive_timeout 3600;
	client_body_temp_path $self->{dir}/body;
	proxy_temp_path $self->{dir}/proxy;
	fastcgi_temp_path $self->{dir}/fastcgi;
	uwsgi_temp_path $self->{dir}/uwsgi;
	scgi_temp_path $self->{dir}/scgi;
	server {
		listen 127.0.0.1:$self->{port} backlog=1024;
		listen 127.0.0.1:$self->{tls_port} ssl backlog=1024;
		ssl_certificate $self->{cert};
		ssl_certificate_key $dir/cert.key;
		location = /count { stub_status; }
		location /broken/ { return 502; }
		$places
	}
}
CONF
	$self->{pid} = fork // die "fork: $!\n";
	if ($self->{pid} == 0)
	{
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>>', "$self->{dir}/out.log");
		open(STDERR, '>>', "$self->{dir}/out.log");
		exec(program(), '-p', $self->{dir}, '-e', "$self->{dir}/error.log",
			'-c', "$self->{dir}/nginx.conf") or exit 127;
	}
	$self->await_port;
	return $self;
}

sub await_port
{
	my ($self) = @_;
	my $end = time + 30;

	until ($self->{socket} = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}))
	{
		die "nginx does not answer:\n" . `cat $self->{dir}/*.log` if time > $end;
		sleep(0.02);
	}
	return;
}

sub stop
{
	my ($self) = @_;

	kill('TERM', $self->{pid});
	waitpid($self->{pid}, 0);
	return;
}

# The base URL of an account.
sub base_url
{
	my ($self, $ms, $tls) = @_;

	return $tls ? "https://127.0.0.1:$self->{tls_port}/d$ms/api/v1"
	  : "http://127.0.0.1:$self->{port}/d$ms/api/v1";
}

# Where everything is answered with 502.
sub broken_url { my ($self) = @_; return "http://127.0.0.1:$self->{port}/broken"; }

# Requests and connections since the start, but for those of this function.
sub counted
{
	my ($self) = @_;
	my $text = '';

	print { $self->{socket} } "GET /count HTTP/1.1\r\nHost: far\r\n\r\n";
	$self->{socket}->flush;
	$self->{samples}++;
	until ($text =~ /Reading:.*\n/)
	{
		sysread($self->{socket}, $text, 4096, length $text) or die "nginx has gone\n";
	}
	my ($accepted, $requests) = $text =~ /^\s*(\d+) \d+ (\d+)/m;
	return ($requests - $self->{samples}, $accepted - 1);
}

1;
