# BenchRun.pm: what the measures share: the server, the far end, people, sizes.

package BenchRun;

use strict;
use warnings FATAL => 'all';

use Time::HiRes qw(sleep time);

use BenchFar;
use BenchFigures;
use BenchServer;

# A message of about 1 kB, as the peers got.
our $MARKDOWN = 'Gentile contribuente, la rata unica della TARI scade il 16 giugno. '
  . join ' ', map { "Paragrafo $_: somma dovuta, ufficio competente, modo di pagamento." } 1 .. 12;
our $SUBJECT = 'Avviso di pagamento TARI 2027';

# Starts everything; arguments: work (a directory), bin (our programs), scale,
# quick, node_path.
sub new
{
	my ($class, %args) = @_;
	my $self = bless { %args, figures => BenchFigures->new, tables => {} }, $class;

	$self->{far} = BenchFar->start($args{work});
	$self->{server} = BenchServer->start($args{work}, $self->preloads);
	$self->{people} = $self->count(60000, 2000);
	$self->prepare;
	return $self;
}

# Peers that are installed.
sub preloads
{
	my ($libraries) = map { chomp; $_ } `pg_config --pkglibdir`;

	return [ grep { -e "$libraries/$_.so" } 'pg_net' ];
}

# A size, scaled, but never below the least that means anything.
sub count
{
	my ($self, $size, $least) = @_;
	my $count = int($size * $self->{scale});

	return $count > ($least // 100) ? $count : $least // 100;
}

sub stop
{
	my ($self, $mode) = @_;

	$self->{server}->stop($mode);
	$self->{far}->stop;
	return;
}

# The n-th invented fiscal code: IO's pattern, the right check character.
sub fiscal_code
{
	my ($n) = @_;
	my ($letters, $rest, $sum) = ('', $n, 0);
	my @odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8,
		12, 14, 16, 10, 22, 25, 24, 23);

	for (1 .. 6)
	{
		$letters = chr(ord('A') + $rest % 26) . $letters;
		$rest = int($rest / 26);
	}
	my $code = sprintf('%s%02d%s%02dH501', $letters, 40 + $n % 60,
		substr('ABCDEHLMPRST', $n % 12, 1), 1 + $n % 28);
	for my $i (0 .. 14)
	{
		my $c = substr($code, $i, 1);
		my $v = $c =~ /\d/ ? $c : ord($c) - ord('A');

		$sum += $i % 2 ? $v : $odd[$v];
	}
	return $code . chr(ord('A') + $sum % 26);
}

# People, a service whose profiles are known, the plain worker's table.
sub prepare
{
	my ($self) = @_;
	my $server = $self->{server};
	my $url = $self->{far}->base_url(0);

	$server->sql(<<"SQL");
INSERT INTO io_msg.account (name, base_url, quota_calls, quota_period)
	VALUES ('far', '$url', 4096, '10 ms');
INSERT INTO io_msg.service (name, account, profile_max_age) VALUES ('bench', 'far', '10 days');
CREATE SCHEMA people;
CREATE TABLE people.person (n integer PRIMARY KEY, fiscal_code text NOT NULL);
CREATE SCHEMA plain;
CREATE TABLE plain.queue (
	id bigserial PRIMARY KEY, created_at timestamptz NOT NULL DEFAULT now(),
	fiscal_code text NOT NULL, body jsonb NOT NULL, status text NOT NULL DEFAULT 'queued',
	attempts integer NOT NULL DEFAULT 0, message_id text, sent_at timestamptz);
CREATE INDEX ON plain.queue (id) WHERE status = 'queued';
SQL
	open(my $fh, '|-', $server->psql_command(undef, '-c', 'COPY people.person FROM STDIN'))
	  or die "psql: $!\n";
	print $fh "$_\t" . fiscal_code($_) . "\n" foreach 1 .. $self->{people};
	close($fh) or die "psql failed\n";
	$server->sql(<<'SQL');
INSERT INTO io_msg.profile (service_id, fiscal_code, "exists", sender_allowed, checked_at)
	SELECT s.id, p.fiscal_code, true, true, now() FROM people.person p, io_msg.service s;
SQL
	$server->sql('VACUUM ANALYZE');
	$self->write_body unless $self->{body_file};
	return;
}

# The same run in a database of its own, prepared alike.
sub another
{
	my ($self, $db, @services) = @_;
	my $other = bless { %$self, server => $self->{server}->another($db, 'bench', @services) }, ref $self;

	$other->prepare;
	return $other;
}

# Ends what another() made.
sub drop
{
	my ($self) = @_;

	$self->{server}->end_drainer;
	$self->{server}->sql("DROP DATABASE $self->{server}{db}", 'postgres');
	return;
}

# The body that the plain programs send.
sub write_body
{
	my ($self) = @_;
	my $text = $self->{server}->sql("SELECT " . body_sql('fiscal_code')
		  . ' FROM people.person WHERE n = 1');

	$self->{body_file} = "$self->{work}/body.json";
	BenchServer::append_file($self->{body_file}, $text);
	return;
}

# SQL that makes the same body.
sub body_sql
{
	my ($fiscal_code) = @_;

	return "jsonb_build_object('fiscal_code', $fiscal_code, 'content', "
	  . "jsonb_build_object('subject', '$SUBJECT', 'markdown', '$MARKDOWN'))";
}

# SQL that queues messages to the first N people.
sub enqueue_sql
{
	my ($count) = @_;

	return "SELECT count(io_enqueue_message(fiscal_code, '$SUBJECT', '$MARKDOWN', service => 'bench')) "
	  . "FROM people.person WHERE n <= $count";
}

# Where the calls of an account go.
sub set_base_url
{
	my ($self, $account, $url) = @_;

	$self->{server}->sql("UPDATE io_msg.account SET base_url = '$url' WHERE name = '$account'");
	return;
}

# The far end's place with so much latency, for the usual account.
sub set_far
{
	my ($self, $ms, $tls) = @_;

	$self->set_base_url('far', $self->{far}->base_url($ms, $tls));
	return;
}

# More services of an account, made if need be after the usual one; of so many
# people their profiles are known.
sub add_services
{
	my ($self, $account, $people, @names) = @_;
	my $list = join ', ', map { "'$_'" } @names;

	$self->{server}->sql(<<"SQL");
INSERT INTO io_msg.account (name, base_url, quota_calls, quota_period)
	SELECT '$account', base_url, quota_calls, quota_period FROM io_msg.account WHERE name = 'far'
	ON CONFLICT DO NOTHING;
INSERT INTO io_msg.service (name, account, profile_max_age)
	SELECT name, '$account', '10 days' FROM unnest(ARRAY[$list]) AS name;
INSERT INTO io_msg.profile (service_id, fiscal_code, "exists", sender_allowed, checked_at)
	SELECT s.id, p.fiscal_code, true, true, now() FROM io_msg.service AS s, people.person AS p
	WHERE s.name IN ($list) AND p.n <= $people;
SQL
	return;
}

# Has services wait, or go on: the usual one, or those whose names match.  The
# worker stays, with its plans and its connections; it would leave where
# io_msg.enabled is off.
sub hold
{
	my ($self, $which) = @_;

	$self->_set_paused('true', $which);
	sleep(0.2);
	return;
}

sub let_go
{
	my ($self, $which) = @_;

	$self->_set_paused('false', $which);
	return;
}

sub _set_paused
{
	my ($self, $paused, $which) = @_;

	$which //= '^bench$';
	$self->{server}->sql("UPDATE io_msg.service SET paused = $paused WHERE name ~ '$which'");
	return;
}

# Queues COUNT messages, more than there are people if need be.
sub queue
{
	my ($self, $count) = @_;

	for (my $left = $count; $left > 0; $left -= $self->{people})
	{
		$self->{server}->sql(enqueue_sql($left < $self->{people} ? $left : $self->{people}));
	}
	return;
}

# Waits until nothing is queued or on its way.
sub wait_until_sent
{
	my ($self) = @_;

	$self->{server}->wait_for("SELECT NOT EXISTS (SELECT FROM io_msg.pending)
		AND (SELECT in_flight = '{}' FROM io_msg.drainer)", 600);
	return;
}

# Bytes on disk of what messages fill.
sub disk
{
	my ($self) = @_;

	return $self->{server}->sql("SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'
		AND relname IN ('outbox', 'body', 'pending', 'poll') AND relnamespace = 'io_msg'::regnamespace");
}

# Empties io_msg and the plain table; nothing may be on its way.
sub empty
{
	my ($self) = @_;

	$self->{server}->sql('TRUNCATE io_msg.outbox, io_msg.body, io_msg.pending, io_msg.poll;
		TRUNCATE plain.queue');
	return;
}

sub vacuum
{
	my ($self) = @_;

	$self->{server}->sql($_) foreach 'VACUUM (ANALYZE) io_msg.outbox, io_msg.body, io_msg.pending,
		io_msg.poll, io_msg.drainer', 'VACUUM (ANALYZE) plain.queue', 'CHECKPOINT';
	return;
}

# Watches the far end until it has answered COUNT requests more than BASE.
# Returns the rate between a tenth and nine tenths of them.
sub watch
{
	my ($self, $base, $count, $seconds) = @_;
	my $end = time + ($seconds // 300);
	my @seen;

	for (;;)
	{
		my ($requests) = $self->{far}->counted;
		push @seen, [ time, $requests - $base ];
		last if $requests - $base >= $count;
		die "the far end got " . ($requests - $base) . " of $count requests\n" if time > $end;
		sleep($count > 3000 ? 0.02 : 0.01);
	}
	my ($first) = grep { $_->[1] >= 0.1 * $count } @seen;
	my ($last) = grep { $_->[1] >= 0.9 * $count } @seen;
	($first) = grep { $_->[1] > 0 } @seen if $first == $last;
	return ($last->[1] - $first->[1]) / (($last->[0] - $first->[0]) || 1e-3);
}

1;
