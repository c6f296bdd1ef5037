# CampaignLoad.pm: the clients of a round, and what their transactions said.
#
# Each client is a psql with a script of its own.  A message has a number, which
# is in its subject and its reference and gives its citizen: that is what joins
# the clients' journal, the sandbox's ledger and the database.  What a message's
# transactions said is one of
#
#   committed     one of them said so
#   rolled back   none was asked to commit, or each was rolled back
#   unknown       nobody heard the answer: it is there, or not

package CampaignLoad;

use strict;
use warnings FATAL => 'all';

use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

use PostgreSQL::Test::Utils;

use IoMsgTest qw(fiscal_code poll_until);

my @kinds = qw(auto auto commit commit commit rollback savepoint error dedup
  prepared prepared_rollback prepared_left bulk bulk_rollback);

# CampaignLoad->new(dir => …, first => number, services => [...], random => sub)
# random->(n) is a number below n; the choices depend on nothing else.
sub new
{
	my ($class, %given) = @_;
	my $self = bless { %given, next => $given{first}, message => {}, transactions => [], clients => [] }, $class;

	return $self;
}

sub below { my ($self, $n) = @_; return $self->{random}->($n); }
sub one_of { my ($self, @of) = @_; return $of[ $self->below(scalar @of) ]; }

# ----------------------------------------------------------------------
# Choices

# Transactions for some clients, and about how many messages: "few" or "many".
sub plan
{
	my ($self, $clients, $amount, $poison) = @_;

	foreach my $c (1 .. $clients)
	{
		my @script;
		my $transactions = $amount eq 'many' ? 4 + $self->below(8) : 2 + $self->below(4);

		push @script, $self->transaction($self->one_of(@kinds)) for 1 .. $transactions;
		push @script, $self->transaction('backlog') if $c == 1;
		push @{ $self->{clients} }, { script => join('', @script), nr => $c };
	}
	$self->{clients}[0]{script} .= $self->transaction('poison') if $poison;
	return;
}

sub new_message
{
	my ($self, $transaction, %more) = @_;
	my $n = $self->{next}++;

	$self->{message}{$n} = { in => [$transaction], taken_back => 0,
		service => $self->one_of(@{ $self->{services} }), priority => 1 + $self->below(4), %more };
	return $n;
}

sub enqueue_sql
{
	my ($self, $n) = @_;
	my $m = $self->{message}{$n};
	my $key = $m->{key} ? ", dedup_key => '$m->{key}'" : '';

	return sprintf "SELECT io_enqueue_message(fiscal_code => '%s', subject => 'Campaign message %d', markdown => '%s', "
	  . "service => '%s', reference => 'm%d', priority => %d%s);\n",
	  fiscal_code($n), $n, ($m->{text} // '') . ('text ' x 20), $m->{service}, $n, $m->{priority}, $key;
}

sub bulk_sql
{
	my ($self, @numbers) = @_;
	my $rows = join ',', map { "($_,'" . fiscal_code($_) . "')" } @numbers;

	return "SELECT count(io_enqueue_message(fiscal_code => v.cf, subject => 'Campaign message ' || v.n, "
	  . "markdown => repeat('text ', 20), service => '" . $self->{message}{ $numbers[0] }{service}
	  . "', reference => 'm' || v.n)) FROM (VALUES $rows) v (n, cf);\n";
}

# One transaction: its SQL; it is noted in {transactions}.
sub transaction
{
	my ($self, $kind) = @_;
	my $t = { nr => "$self->{first}." . scalar @{ $self->{transactions} }, kind => $kind,
		intends => $kind =~ /rollback|error/ ? 'rollback' : 'commit' };
	my $make = $self->can("make_" . $kind =~ s/_(?:rollback|left)$//r) // \&make_plain;
	my $pause = $self->below(2) ? sprintf("SELECT pg_sleep(%.3f);\n", $self->below(40) / 1000) : '';

	push @{ $self->{transactions} }, $t;
	return "\\echo begin $t->{nr}\n" . $make->($self, $t) . "\\echo ended\n$pause";
}

sub begin_sql
{
	my ($self) = @_;

	return 'BEGIN' . $self->one_of('', '', ' ISOLATION LEVEL REPEATABLE READ', ' ISOLATION LEVEL SERIALIZABLE') . ";\n";
}

sub some
{
	my ($self, $t, $most, %more) = @_;

	return map { $self->new_message($t, %more) } 0 .. $self->below($most);
}

# Within a transaction a client may take its time, and be killed meanwhile.
sub dawdle { my ($self) = @_; return $self->below(4) ? '' : sprintf("SELECT pg_sleep(%.3f);\n", $self->below(150) / 1000); }

sub make_plain
{
	my ($self, $t) = @_;
	my $sql = join '', map { $self->enqueue_sql($_) } $self->some($t, 5);
	my $end = $t->{intends} eq 'commit' ? 'COMMIT' : 'ROLLBACK';

	return $self->begin_sql . $sql . $self->dawdle . "\\echo ending\n$end;\n";
}

sub make_auto { my ($self, $t) = @_; return "\\echo ending\n" . $self->enqueue_sql($self->new_message($t)); }

sub make_error
{
	my ($self, $t) = @_;
	my $sql = join '', map { $self->enqueue_sql($_) } $self->some($t, 3);

	return $self->begin_sql . "${sql}SELECT 1 / 0;\n\\echo ending\nCOMMIT;\n";
}

sub make_savepoint
{
	my ($self, $t) = @_;
	my ($kept, $back, $last) = map { join '', map { $self->enqueue_sql($_) } $self->some($t, 3, taken_back => $_) } 0, 1, 0;

	return $self->begin_sql . "${kept}SAVEPOINT s;\n${back}ROLLBACK TO s;\n$last" . $self->dawdle . "\\echo ending\nCOMMIT;\n";
}

# The same key in two transactions: one row.
sub make_dedup
{
	my ($self, $t) = @_;
	my $n = $self->new_message($t, key => "key $t->{nr}");
	my $again = { nr => "$t->{nr}a", kind => 'dedup', intends => 'commit' };

	push @{ $self->{transactions} }, $again;
	push @{ $self->{message}{$n}{in} }, $again;
	return "BEGIN;\n" . $self->enqueue_sql($n) . "\\echo ending\nCOMMIT;\n\\echo ended\n\\echo begin $again->{nr}\nBEGIN;\n"
	  . $self->enqueue_sql($n) . "\\echo ending\nCOMMIT;\n";
}

sub make_prepared
{
	my ($self, $t) = @_;
	my $sql = join '', map { $self->enqueue_sql($_) } $self->some($t, 4);
	my $end = $t->{intends} eq 'commit' ? 'COMMIT' : 'ROLLBACK';

	$t->{prepared} = "campaign $t->{nr}";
	$sql = "BEGIN;\n${sql}PREPARE TRANSACTION '$t->{prepared}';\n" . $self->dawdle;
	# Left to the one who comes after the crash.
	return $sql if $t->{kind} =~ /left$/;
	return "$sql\\echo ending\n$end PREPARED '$t->{prepared}';\n";
}

sub make_bulk
{
	my ($self, $t) = @_;
	my $service = $self->one_of(@{ $self->{services} });
	my @numbers = map { $self->new_message($t, service => $service) } 1 .. 20 + $self->below(60);
	my $end = $t->{intends} eq 'commit' ? 'COMMIT' : 'ROLLBACK';

	return "BEGIN;\n" . $self->bulk_sql(@numbers) . "\\echo ending\n$end;\n";
}

# So that there is something to send when the clients are done.
sub make_backlog { my ($self, $t) = @_; return $self->make_bulk($t); }

sub make_poison
{
	my ($self, $t) = @_;

	return "\\echo ending\n" . $self->enqueue_sql($self->new_message($t, text => '[io_msg fault] '));
}

sub numbers { return sort { $a <=> $b } keys %{ $_[0]->{message} }; }

# ----------------------------------------------------------------------
# Running

sub start
{
	my ($self, $connstr) = @_;

	foreach my $client (@{ $self->{clients} })
	{
		my $path = $client->{path} = "$self->{dir}/client.$client->{nr}";

		open(my $fh, '>', "$path.sql") or die "$path.sql: $!\n";
		print $fh $client->{script};
		close($fh);
		my $pid = fork // die "fork: $!\n";
		if ($pid == 0)
		{
			open(STDIN, '<', '/dev/null');
			open(STDOUT, '>', "$path.out");
			open(STDERR, '>', "$path.err");
			exec('psql', '-XAt', '-d', $connstr, '-f', "$path.sql") or POSIX::_exit(127);
		}
		@$client{qw(pid running killed)} = ($pid, 1, 0);
	}
	return;
}

# One of those that run is killed.
sub kill_one
{
	my ($self, $which) = @_;
	my @running = grep { $self->is_running($_) } @{ $self->{clients} };

	return unless @running;
	my $client = $running[ $which % @running ];
	kill('KILL', $client->{pid});
	$client->{killed} = 1;
	return;
}

sub is_running
{
	my ($self, $client) = @_;

	return 0 unless $client->{running};
	$client->{running} = 0 if waitpid($client->{pid}, WNOHANG) > 0;
	return $client->{running};
}

sub is_over { my ($self) = @_; return !grep { $self->is_running($_) } @{ $self->{clients} }; }
sub wait { my ($self) = @_; poll_until(sub { $self->is_over }) or die "a client does not end\n"; return; }

# ----------------------------------------------------------------------
# What was said

# Reads what the clients heard.
sub read_journal
{
	my ($self) = @_;
	my %of = map { $_->{nr} => $_ } @{ $self->{transactions} };

	foreach my $client (@{ $self->{clients} })
	{
		my (undef, @blocks) = split /^begin (?=\d)/m, slurp_file("$client->{path}.out");

		foreach my $block (@blocks)
		{
			my ($nr) = $block =~ /^(\S+)/;
			my $t = $of{$nr} or next;

			$t->{said} = said($t, $block, $client->{killed});
		}
		# Of a client that was killed nobody knows how far it came.
		$client->{killed} or next;
		foreach my $t (map { $of{$_} } $client->{script} =~ /^\\echo begin (\S+)$/mg)
		{
			$t->{said} //= $t->{intends} eq 'commit' ? 'unknown' : 'rolled back';
		}
	}
	return;
}

sub said
{
	my ($t, $block, $killed) = @_;
	my ($before, $after) = split /^ending$/m, $block, 2;
	my $tag = $t->{prepared} ? ' PREPARED' : '';

	return 'rolled back' if $t->{intends} eq 'rollback';
	# Whether it is there, the server knows.
	return 'unknown' if $t->{kind} =~ /left$/;
	return $killed ? 'unknown' : 'rolled back' unless defined $after || $t->{prepared};
	$after //= '';
	return 'committed' if $after =~ /^COMMIT$tag$/m;
	return 'committed' if $t->{kind} =~ /^(?:auto|poison)$/ && $after =~ /^\d+$/m;
	return 'rolled back' if $after =~ /^ROLLBACK$/m && !$t->{prepared};
	return 'unknown';
}

# Transactions that are still prepared are ended, by chance or as intended.
sub end_prepared
{
	my ($self, $server) = @_;
	my %of = map { ($_->{prepared} // '') => $_ } @{ $self->{transactions} };

	foreach my $gid (sort map { $_->[0] } $server->rows('SELECT gid FROM pg_prepared_xacts'))
	{
		my $t = $of{$gid} or die "an unknown transaction is prepared: $gid\n";
		my $commit = $t->{intends} eq 'commit' && ($t->{kind} !~ /left$/ || $gid =~ /[02468]$/);

		$server->query(($commit ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$gid'");
		$t->{said} = $commit ? 'committed' : 'rolled back';
	}
	# What was not there any more nobody has committed, where only we could.
	foreach my $t (grep { $_->{kind} =~ /left$/ } @{ $self->{transactions} })
	{
		$t->{said} = 'rolled back' if ($t->{said} // 'unknown') eq 'unknown';
	}
	return;
}

# What the transactions of a message said, all in all.
sub outcome
{
	my ($self, $n) = @_;
	my $m = $self->{message}{$n};
	my @said = map { $_->{said} // 'rolled back' } @{ $m->{in} };

	return 'rolled back' if $m->{taken_back};
	return 'committed' if grep { $_ eq 'committed' } @said;
	return 'unknown' if grep { $_ eq 'unknown' } @said;
	return 'rolled back';
}

1;
